/** The next hop at run time: whom a request may go to, and what is learned from how it went. */

import type { HashKey } from "#model/balance.ts";
import { type Refusal, refuse } from "#model/refusal.ts";
import type { EndpointSet } from "./balance/endpoint-set.ts";
import { type LiveEndpoint, liveEndpoint } from "./balance/live-endpoint.ts";
import type { Failure } from "./balance/outlier.ts";
import type { PickRequest } from "./balance/pickers.ts";
import type { SocketAddress } from "./identify.ts";

/** What a service port's EndpointSet and a single address have in common. */
export interface Target {
  /** What the caller must hash into PickRequest.key. */
  readonly hashKey: HashKey | undefined;
  /** Chooses an endpoint; each one is given back by release(), once. */
  pick(request: PickRequest): LiveEndpoint | Refusal;
  /** The endpoint answered (or connected) after so many milliseconds. */
  answered(endpoint: LiveEndpoint, latencyMs: number): void;
  failed(endpoint: LiveEndpoint, failure: Failure): void;
  release(endpoint: LiveEndpoint): void;
  /** Notes a request, for the retry budget. */
  deposit(): void;
  /** Takes a retry out of the budget; false: there must be no retry. */
  mayRetry(): boolean;
}

/** Any endpoint of a service. */
export function balancedTarget(set: EndpointSet): Target {
  return {
    get hashKey() {
      return set.hashKey;
    },
    pick: (request) => set.pick(request),
    answered: (endpoint, latencyMs) => set.answered(endpoint, latencyMs),
    failed: (endpoint, failure) => set.failed(endpoint, failure),
    release: (endpoint) => set.release(endpoint),
    deposit: () => set.retries.deposit(),
    mayRetry: () => set.retries.withdraw(),
  };
}

/** Exactly one address: there is nobody else to try, so nothing is ejected; a stale connection is retried once. */
export function fixedTarget({ address, port }: SocketAddress): Target {
  const endpoint = liveEndpoint({ address, port, state: "ready" }, 0);
  const spent = refuse("no-endpoints", `${address} port ${port} was tried and is the only one`);
  return {
    hashKey: undefined,
    pick: ({ tried }) => {
      if (tried.includes(endpoint)) return spent;
      endpoint.active++;
      return endpoint;
    },
    answered: () => undefined,
    failed: () => undefined,
    release: () => {
      endpoint.active--;
    },
    deposit: () => undefined,
    mayRetry: () => true,
  };
}
