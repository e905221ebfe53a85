/**
 * Passive outlier ejection: what one endpoint's verdicts do to its own health. Whether the set can spare the
 * endpoint (maxEjectionPercent) is asked of the caller.
 *
 *   healthy --failures--> ejected --back-off passed--> half-open --picked--> probing --answer--> healthy
 *                            ^----------------------------failure-------------'
 */

import type { LiveEndpoint } from "./live-endpoint.ts";
import type { BalanceSettings, Random } from "./settings.ts";

/**
 * What an endpoint did wrong: `connect` (refused, unreachable, timed out), `gateway` (answered 502, 503 or
 * 504), `reset` (closed or reset before a complete answer), `timeout` (request time-out).
 */
export type Failure = "connect" | "gateway" | "reset" | "timeout";

/** Whether an HTTP status code speaks against the endpoint that sent it. 500 does not: it is the application's word about one request. */
export function isGatewayFailure(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

/** Counts a failure; true when the endpoint has earned an ejection. */
export function countFailure(
  endpoint: LiveEndpoint,
  failure: Failure,
  settings: BalanceSettings,
): boolean {
  endpoint.failures++;
  if (endpoint.health === "probing") return true;
  if (endpoint.health !== "healthy") return false;
  const limit = failure === "connect" ? settings.connectFailuresToEject : settings.failuresToEject;
  return endpoint.failures >= limit;
}

/** Ejects: the bound of the time doubles with each ejection in a row, and half of it is random. */
export function eject(
  endpoint: LiveEndpoint,
  settings: BalanceSettings,
  { now, random }: { readonly now: number; readonly random: Random },
): void {
  // Well for longer than the longest ejection: old sins are forgotten.
  if (endpoint.health === "healthy" && now - endpoint.recoveredAt > settings.ejectionMaxMs)
    endpoint.ejections = 0;
  const bound = Math.min(
    settings.ejectionMaxMs,
    settings.ejectionBaseMs * 2 ** Math.min(endpoint.ejections, 30),
  );
  endpoint.ejections++;
  endpoint.health = "ejected";
  endpoint.ejectedUntil = now + bound / 2 + (random() * bound) / 2;
}

/**
 * An answer came. True when the endpoint was let back by it. While ejected it proves nothing: it belongs to
 * a request sent before the ejection (a request sent since then made the endpoint `probing`).
 */
export function recover(endpoint: LiveEndpoint, now: number): boolean {
  if (endpoint.health === "ejected") return false;
  endpoint.failures = 0;
  if (endpoint.health === "healthy") return false;
  endpoint.health = "healthy";
  endpoint.recoveredAt = now;
  return true;
}
