/** Turns what was observed into access-log entries. Pure. */

import { joinPort } from "#model/address.ts";
import type { Refusal } from "#model/refusal.ts";
import { serviceKey } from "#model/service.ts";
import type { AccessEntry } from "../telemetry/access-log.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { Reporter, Served } from "./labels.ts";
import type { Plan } from "./plan.ts";
import type { RequestLine, RequestProgress } from "./record.ts";

/** Who tells of whom. */
export interface Sides {
  /** Whose side the line is of. */
  readonly reporter: Reporter;
  readonly plan: Plan;
  readonly endpoint: LiveEndpoint | undefined;
  /** The pod that serves, when it is known. */
  readonly served: Served | undefined;
}

/** When something is told, and how it stands. */
export interface Telling {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** It goes on. */
  readonly open: boolean;
  readonly refusal: Refusal | undefined;
}

/** The entry of a request that has ended, or goes on. */
export function requestEntry(
  sides: Sides,
  told: RequestProgress,
  { at, open, refusal, line }: Telling & { readonly line: RequestLine },
): AccessEntry {
  const bytes = told.tied ?? { sent: told.requestBytes, received: told.responseBytes };
  return {
    kind: "request",
    at,
    open: open || undefined,
    ...partiesOf(sides),
    protocol: told.protocol,
    method: line.method || undefined,
    host: line.host || undefined,
    path: line.path || undefined,
    code: told.status,
    ...whyOf(refusal),
    durationMs: told.durationMs,
    sentBytes: bytes.sent,
    receivedBytes: bytes.received,
    attempts: told.attempts === 1 ? undefined : told.attempts,
  };
}

/** What is told of a connection that is carried as bytes. */
interface ConnectionSoFar extends Telling {
  readonly durationMs: number;
  readonly sent: number;
  readonly received: number;
}

/** The entry of a connection that has ended, or goes on. */
export function connectionEntry(sides: Sides, so: ConnectionSoFar): AccessEntry {
  return {
    kind: "connection",
    at: so.at,
    open: so.open || undefined,
    ...partiesOf(sides),
    protocol: "tcp",
    ...whyOf(so.refusal),
    durationMs: so.durationMs,
    sentBytes: so.sent,
    receivedBytes: so.received,
  };
}

function whyOf(refusal: Refusal | undefined): Pick<AccessEntry, "reason" | "rule" | "detail"> {
  return { reason: refusal?.reason, rule: refusal?.rule, detail: refusal?.detail };
}

/** The fields that say who talked to whom. */
function partiesOf({
  reporter,
  plan,
  endpoint,
  served,
}: Sides): Pick<
  AccessEntry,
  | "reporter"
  | "source"
  | "sourcePod"
  | "sourceAddress"
  | "destination"
  | "destinationPod"
  | "dialled"
  | "service"
  | "endpoint"
> {
  const { source, nextHop, destination } = plan;
  const client = "kind" in source ? undefined : source;
  const server = served?.workload;
  return {
    reporter,
    source: client === undefined ? "unknown" : `${client.namespace}/${client.owner}`,
    sourcePod: client?.name,
    sourceAddress: plan.clientAddress,
    destination: server && `${server.namespace}/${server.owner}`,
    destinationPod: server?.name,
    dialled: joinPort(destination),
    service: nextHop.kind === "balanced" ? serviceKey(nextHop.entry.service) : undefined,
    endpoint: endpoint && joinPort(endpoint),
  };
}
