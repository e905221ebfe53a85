/** The next hop at run time: whom a request may go to, and what is learned from how it went. */

import type { HashKey } from "#model/balance.ts";
import { type Refusal, refuse } from "#model/refusal.ts";
import type { EndpointSet } from "./balance/endpoint-set.ts";
import { type LiveEndpoint, liveEndpoint } from "./balance/live-endpoint.ts";
import type { Failure } from "./balance/outlier.ts";
import type { PickRequest } from "./balance/pickers.ts";
import type { HostPort } from "./identify.ts";

/** What a service port's EndpointSet and a single address have in common. */
export interface Target {
  /** What the caller must hash into PickRequest.key. */
  readonly hashKey: HashKey | undefined;
  /** Chooses an endpoint; each one is given back by release(), once. */
  pick(request: PickRequest): LiveEndpoint | Refusal;
  /** Counts an endpoint once more that is not chosen anew; given back by release(), too. */
  again(endpoint: LiveEndpoint): void;
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
    again: (endpoint) => set.again(endpoint),
    answered: (endpoint, latencyMs) => set.answered(endpoint, latencyMs),
    failed: (endpoint, failure) => set.failed(endpoint, failure),
    release: (endpoint) => set.release(endpoint),
    deposit: () => set.retries.deposit(),
    mayRetry: () => set.retries.withdraw(),
  };
}

/**
 * Any endpoint of a dual-stack service, of the family that the client dialled. Without a mesh a client whose
 * connection is refused in one family tries the other (RFC 8305); the proxy has accepted the connection before
 * it can know, so it does that for the client: when nobody answers, and as the last try of a request.
 */
export function dualTarget(set: EndpointSet, other: EndpointSet): Target {
  const family = balancedTarget(set);
  const fallback = balancedTarget(other);
  /** Endpoints of the other family that were ever picked: they are given back to where they came from. */
  const lent = new WeakSet<LiveEndpoint>();
  let anyLent = false;
  const of = (endpoint: LiveEndpoint): Target =>
    anyLent && lent.has(endpoint) ? fallback : family;
  const pickLent = (request: PickRequest): LiveEndpoint | Refusal => {
    const picked = fallback.pick(request);
    if (picked.kind === "refusal") return picked;
    lent.add(picked);
    anyLent = true;
    return picked;
  };
  return {
    get hashKey() {
      return set.hashKey;
    },
    pick: (request) => {
      const otherFirst = request.tried.length >= LAST_TRY || (set.refuses && !other.refuses);
      const picked = otherFirst ? pickLent(request) : family.pick(request);
      if (picked.kind === "endpoint") return picked;
      return otherFirst ? family.pick(request) : pickLent(request);
    },
    again: (endpoint) => of(endpoint).again(endpoint),
    answered: (endpoint, latencyMs) => of(endpoint).answered(endpoint, latencyMs),
    failed: (endpoint, failure) => of(endpoint).failed(endpoint, failure),
    release: (endpoint) => of(endpoint).release(endpoint),
    deposit: () => family.deposit(),
    mayRetry: () => family.mayRetry(),
  };
}

/** Tries after which the other family is asked: flow makes three at most. */
const LAST_TRY = 2;

/** Exactly one address: there is nobody else to try, so nothing is ejected; a stale connection is retried once. */
export function fixedTarget({ address, port }: HostPort): Target {
  const endpoint = liveEndpoint({ address, port, state: "ready" }, 0);
  const spent = refuse("no-endpoints", `${address} port ${port} was tried and is the only one`);
  return {
    hashKey: undefined,
    pick: ({ tried }) => {
      if (tried.includes(endpoint)) return spent;
      endpoint.active++;
      return endpoint;
    },
    again: () => {
      endpoint.active++;
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
