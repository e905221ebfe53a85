/** Turns outcomes into access-log entries. */

import { joinPort } from "#model/address.ts";
import { serviceKey } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { AccessEntry } from "../telemetry/access-log.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import { servedBy } from "./labels.ts";
import type { Plan } from "./plan.ts";
import type { RequestOutcome } from "./record.ts";

/** The entry of a request. `at` is the wall clock, milliseconds since 1970. */
export function requestEntry(
  outcome: RequestOutcome,
  at: number,
  workload: (uid: string) => Workload | undefined,
): AccessEntry {
  const { plan, endpoint, line, refusal, status, attempts } = outcome;
  return {
    kind: "request",
    at,
    ...partiesOf(plan, endpoint, workload),
    protocol: outcome.protocol,
    method: line?.method || undefined,
    host: line?.host || undefined,
    path: line?.path || undefined,
    code: status,
    reason: refusal?.reason,
    rule: refusal?.rule,
    detail: refusal?.detail,
    durationMs: outcome.durationMs,
    sentBytes: outcome.requestBytes,
    receivedBytes: outcome.responseBytes,
    attempts: attempts === 1 ? undefined : attempts,
  };
}

/** The fields that say who talked to whom. */
export function partiesOf(
  plan: Plan,
  endpoint: LiveEndpoint | undefined,
  workload: (uid: string) => Workload | undefined,
): Pick<
  AccessEntry,
  "reporter" | "source" | "sourceAddress" | "destination" | "dialled" | "service" | "endpoint"
> {
  const { source, nextHop, destination } = plan;
  const target = servedBy(plan, endpoint, workload)?.workload;
  return {
    reporter: plan.direction === "outbound" ? "source" : "destination",
    source: "kind" in source ? "unknown" : `${source.namespace}/${source.owner}`,
    sourceAddress: plan.clientAddress,
    destination: target === undefined ? undefined : `${target.namespace}/${target.owner}`,
    dialled: joinPort(destination),
    service: nextHop.kind === "balanced" ? serviceKey(nextHop.entry.service) : undefined,
    endpoint: endpoint === undefined ? undefined : joinPort(endpoint),
  };
}
