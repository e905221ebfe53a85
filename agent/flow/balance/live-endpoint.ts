/**
 * agent/flow/balance chooses the endpoint of each connection or request, and learns from what became of it.
 * One worker owns its sets: single-threaded, synchronous, nothing allocated on the first pick of a request.
 * May import agent/model only. Must never open sockets, read the clock or make randomness by itself (both
 * are injected), nor throw because of what a network peer did.
 */

import type { Endpoint, EndpointState } from "#model/service.ts";

/**
 * What passive observation thinks of an endpoint:
 * `healthy` takes traffic; `ejected` waits for its back-off to pass; `half-open` may take one request;
 * `probing` has that one request in flight and takes no other until its verdict.
 */
export type Health = "healthy" | "ejected" | "half-open" | "probing";

/** What a dashboard shows of an endpoint: the snapshot's state, or `ejected` when ready but shunned. */
export type EndpointCondition = EndpointState | "ejected";

/**
 * An endpoint with its running state in this worker. The object's identity is stable while the endpoint
 * stays in the service, across snapshots. Callers only read; EndpointSet alone writes.
 */
export interface LiveEndpoint {
  readonly kind: "endpoint";
  readonly address: string;
  readonly port: number;
  /** Unsigned 32-bit hash of address and port: the same in every worker and on every node. */
  readonly seed: number;
  /** uid of the pod behind it, as in the snapshot. */
  readonly workload: string | undefined;
  state: EndpointState;
  /** Picked and not yet released: requests, or connections for opaque TCP. */
  active: number;
  /** Peak-sensitive moving average of latency in milliseconds; NaN until the first answer, and unless the algorithm is `ewma`. */
  latencyMs: number;
  /** Clock time (ms) of the last change of latencyMs. */
  latencyAt: number;
  health: Health;
  /** Failures since the last answer. */
  failures: number;
  /** Ejections in a row: the exponent of the back-off. */
  ejections: number;
  /** Clock time (ms) until which it stays ejected; meaningful while `ejected`. */
  ejectedUntil: number;
  /** Clock time (ms) when it was last let back; -Infinity when it never was ejected. */
  recoveredAt: number;
}

/** A fresh running state for an endpoint never seen before. `seed` is its hash (see hash.ts). */
export function liveEndpoint(endpoint: Endpoint, seed: number): LiveEndpoint {
  return {
    kind: "endpoint",
    address: endpoint.address,
    port: endpoint.port,
    seed,
    workload: endpoint.workload,
    state: endpoint.state,
    active: 0,
    latencyMs: Number.NaN,
    latencyAt: 0,
    health: "healthy",
    failures: 0,
    ejections: 0,
    ejectedUntil: 0,
    recoveredAt: Number.NEGATIVE_INFINITY,
  };
}

/** What the metric `nodemesh_endpoint_state` says of an endpoint. */
export function conditionOf(endpoint: LiveEndpoint): EndpointCondition {
  return endpoint.state === "ready" && endpoint.health !== "healthy" ? "ejected" : endpoint.state;
}
