/**
 * How agents tell one another that an application never saw a request: an inbound agent's answer names its reason and
 * which address it dialled in vain. It is believed of an endpoint whose answers come through an agent that takes the
 * application's own fields of these names away, and only when it names that endpoint: an application may pass on what the
 * mesh answered to a request of its own.
 */

import { joinPort } from "#model/address.ts";
import { includesPort } from "#model/enrolment.ts";
import type { Reason } from "#model/refusal.ts";
import type { Workload } from "#model/workload.ts";
import { KIND } from "../../http/h1/codes.ts";
import type { Head } from "../../http/h1/head.ts";
import type { Range } from "../../http/h1/ranges.ts";
import type { AnswerHead } from "../../http/message.ts";
import type { HostPort } from "../identify.ts";
import { type Plan, podUnderstanding } from "../plan.ts";

/** Reasons that an agent gives before anything was sent to its application: the request may go elsewhere, whatever it is. */
const UNSERVED: ReadonlySet<string> = new Set<Reason>([
  "connect-refused",
  "connect-timeout",
  "connect-failed",
  "connection-limit",
  "no-policy-data",
  "policy-unknown",
]);

const REASON_FIELD: Uint8Array = Buffer.from("x-nodemesh-reason");
const DIALLED_FIELD: Uint8Array = Buffer.from("x-nodemesh-dialled");

const RANGE: Range = { start: 0, end: 0 };

/** Whether answers of this port come through an agent on another node than `node`, which reads them. */
export function isBehindAgent(
  workload: Workload | undefined,
  { port }: HostPort,
  node: string,
): boolean {
  if (workload?.enrolment === undefined || workload.node === node) return false;
  if (includesPort(workload.enrolment.excludeInboundPorts, port)) return false;
  return podUnderstanding(workload, port) !== "opaque";
}

/** Whether the client of this plan is an agent, which understands a refusal that says so. */
export function isToldByAgent({ direction, source }: Plan): boolean {
  return direction === "inbound" && !("kind" in source) && source.enrolment !== undefined;
}

/**
 * What a refusal of this plan names as dialled in vain: where its client wanted to go. Also to applications, which may pass
 * it on to their clients; not to strangers, who may have dialled another address.
 */
export function dialledInVain({ source, destination }: Plan, reason: Reason): string | undefined {
  return "kind" in source || !UNSERVED.has(reason) ? undefined : joinPort(destination);
}

/** Whether this answer was made by an agent that could not reach its application at `endpoint`, which isBehindAgent(). */
export function isUnserved(head: AnswerHead, endpoint: HostPort): boolean {
  if (!isRefusalStatus(head.status)) return false;
  const reason = only(head, REASON_FIELD);
  if (reason === undefined || !UNSERVED.has(reason)) return false;
  const dialled = only(head, DIALLED_FIELD);
  // Agents of earlier versions name none.
  return dialled === undefined || dialled === joinPort(endpoint);
}

/** Takes away what an application says in the agent's name. */
export function hideClaims(head: Head): void {
  if (!isRefusalStatus(head.status)) return;
  hide(head, REASON_FIELD);
  hide(head, DIALLED_FIELD);
}

/** Whether this answer may be one of the mesh's own refusals. */
function isRefusalStatus(status: number): boolean {
  return status === 503 || status === 504;
}

function hide(head: Head, name: Uint8Array): void {
  for (let at = head.find(name, RANGE); at >= 0; at = head.find(name, RANGE, at + 1)) {
    head.kinds[at] = KIND.gone;
    head.special++;
  }
}

/** The value of a field; of one that is there twice, nothing that could be believed. */
function only(head: AnswerHead, name: Uint8Array): string | undefined {
  const at = head.find(name, RANGE);
  if (at < 0) return undefined;
  const value = Buffer.from(head.bytes.subarray(RANGE.start, RANGE.end)).toString("latin1");
  return head.find(name, RANGE, at + 1) < 0 ? value : "";
}
