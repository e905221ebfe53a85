/** Recognises the answer of a peer's agent that says its application never saw the request. */

import type { Reason } from "#model/refusal.ts";
import type { Range } from "../../http/h1/ranges.ts";
import type { AnswerHead } from "../../http/message.ts";

/** Reasons that an agent gives before anything was sent to its application: the request may go elsewhere, whatever it is. */
const UNSERVED: ReadonlySet<string> = new Set<Reason>([
  "connect-refused",
  "connect-timeout",
  "connect-failed",
  "connection-limit",
  "no-policy-data",
  "policy-unknown",
]);

/** The field in which an agent names its reason. An application's own is taken away where it could be believed. */
export const REASON_FIELD: Uint8Array = Buffer.from("x-nodemesh-reason");

const RANGE: Range = { start: 0, end: 0 };

/** Whether this answer may be one of the mesh's own refusals. */
export function isRefusalStatus(status: number): boolean {
  return status === 503 || status === 504;
}

/**
 * Whether this answer was made by an agent that could not reach its application. To be asked of answers that came
 * through the agent of an enrolled endpoint only: any server can write the field.
 */
export function isUnserved(head: AnswerHead): boolean {
  if (!isRefusalStatus(head.status) || head.find(REASON_FIELD, RANGE) < 0) return false;
  const reason = Buffer.from(head.bytes.subarray(RANGE.start, RANGE.end)).toString("latin1");
  return UNSERVED.has(reason);
}
