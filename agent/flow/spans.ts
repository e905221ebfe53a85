/** Turns a request in a trace into spans: one for each side that tells of it. Pure but for new ids. */

import { joinPort } from "#model/address.ts";
import type { Refusal } from "#model/refusal.ts";
import { serviceKey } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { SpanRecord } from "../telemetry/span.ts";
import type { Sides } from "./access-entry.ts";
import type { Reporter } from "./labels.ts";
import type { RequestLine, RequestProgress } from "./record.ts";
import { newSpanId, type Trace } from "./trace.ts";

/** A request that has ended. */
export interface Traced {
  readonly trace: Trace;
  readonly line: RequestLine;
  /** When it ended, milliseconds since 1970. */
  readonly at: number;
  readonly refusal: Refusal | undefined;
}

/** Statuses from here on are failures to who asked, to its server only from SERVER_FAILURE on (semantic conventions of HTTP spans). */
const CLIENT_FAILURE = 400;
const SERVER_FAILURE = 500;

/**
 * The spans of a request, the innermost last: that one is the next hop's parent. Between pods of one node one agent tells
 * both sides' spans, as two agents would.
 */
export function spansOf(
  { plan, endpoint, served }: Omit<Sides, "reporter">,
  told: RequestProgress,
  { traced, reporters }: { readonly traced: Traced; readonly reporters: readonly Reporter[] },
): readonly SpanRecord[] {
  const { trace, at } = traced;
  const spans: SpanRecord[] = [];
  let parentId = trace.parentId;
  for (const [i, reporter] of reporters.entries()) {
    const pod = reporter === "source" ? podOf(plan.source) : served?.workload;
    if (pod === undefined) continue;
    const spanId = i === reporters.length - 1 ? trace.spanId : newSpanId();
    spans.push({
      traceId: trace.traceId,
      spanId,
      parentId,
      kind: reporter === "source" ? "client" : "server",
      name: traced.line.method || "HTTP",
      startedAt: at - told.durationMs,
      durationMs: told.durationMs,
      of: { namespace: pod.namespace, workload: pod.owner, pod: pod.name },
      attributes: attributesOf({ reporter, plan, endpoint, served }, told, traced),
      error: errorOf(reporter, told.status, traced.refusal),
    });
    parentId = spanId;
  }
  return spans;
}

function attributesOf(
  { reporter, plan, endpoint, served }: Sides,
  told: RequestProgress,
  { line, refusal }: Traced,
): SpanRecord["attributes"] {
  const { nextHop, destination, clientAddress } = plan;
  const peer = reporter === "source" ? served?.workload : podOf(plan.source);
  const bytes = told.tied ?? { sent: told.requestBytes, received: told.responseBytes };
  const tries = told.attempts ?? 1;
  return present({
    "http.request.method": line.method || undefined,
    "url.path": line.path || undefined,
    "server.address": line.host || undefined,
    "http.response.status_code": told.status || undefined,
    "http.request.body.size": bytes.sent,
    "http.response.body.size": bytes.received,
    "http.request.resend_count": tries > 1 ? tries - 1 : undefined,
    "network.protocol.name": "http",
    "network.protocol.version": told.protocol.slice("http/".length),
    "client.address": clientAddress,
    "error.type": errorOf(reporter, told.status, refusal) && (refusal?.reason ?? `${told.status}`),
    "nodemesh.dialled": joinPort(destination),
    "nodemesh.service": nextHop.kind === "balanced" ? serviceKey(nextHop.entry.service) : undefined,
    "nodemesh.endpoint": endpoint && joinPort(endpoint),
    // Services without spans of their own have a place in service graphs by it.
    "peer.service": reporter === "source" ? peer?.owner : undefined,
    "nodemesh.peer.workload": peer && `${peer.namespace}/${peer.owner}`,
    "nodemesh.peer.pod": peer?.name,
    "nodemesh.tries": tries,
    "nodemesh.refusal.reason": refusal?.reason,
    "nodemesh.refusal.rule": refusal?.rule,
    "nodemesh.refusal.detail": refusal?.detail,
  });
}

function errorOf(
  reporter: Reporter,
  status: number,
  refusal: Refusal | undefined,
): string | undefined {
  if (refusal !== undefined) return `${refusal.reason}: ${refusal.detail}`;
  if (status === 0) return "ended without an answer";
  const least = reporter === "source" ? CLIENT_FAILURE : SERVER_FAILURE;
  return status >= least ? `answered ${status}` : undefined;
}

function present(
  all: Readonly<Record<string, string | number | undefined>>,
): Readonly<Record<string, string | number>> {
  const some: Record<string, string | number> = {};
  for (const [name, value] of Object.entries(all)) if (value !== undefined) some[name] = value;
  return some;
}

function podOf(party: Sides["plan"]["source"]): Workload | undefined {
  return "kind" in party ? undefined : party;
}
