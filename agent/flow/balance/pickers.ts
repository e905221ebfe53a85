/**
 * The algorithms: each chooses one of the candidates it is given. Which endpoints are candidates (ready, not
 * ejected, not tried before) is EndpointSet's business.
 */

import type { Balance } from "#model/balance.ts";
import { affinityScore, NO_KEY } from "./hash.ts";
import type { LiveEndpoint } from "./live-endpoint.ts";
import type { Clock, Random } from "./settings.ts";

/** What a choice may depend on. The caller may reuse one object for all its picks. */
export interface PickRequest {
  /** hashBytes() or hashText() of the header or cookie that EndpointSet.hashKey names; NO_KEY when absent. */
  readonly key: number;
  /** hashText() of the client's address; NO_KEY when unknown. */
  readonly client: number;
  /** Endpoints already tried for this request: never picked again. */
  readonly tried: readonly LiveEndpoint[];
}

/** Chooses one of `candidates`, which has at least one element. */
export type Picker = (candidates: readonly LiveEndpoint[], request: PickRequest) => LiveEndpoint;

/** What pickers need from outside. */
export interface PickerInputs {
  readonly clock: Clock;
  readonly random: Random;
  /** See BalanceSettings. */
  readonly latencyDecayMs: number;
}

/** Latency assumed of an endpoint that has requests in flight and never answered one: it gets no second one. */
const UNKNOWN_LATENCY_MS = 1e9;

/** Keeps the number of active requests in the comparison when averages have decayed to nothing. */
const LEAST_LATENCY_MS = 0.01;

/** The picker of a service's algorithm. */
export function makePicker(balance: Balance, inputs: PickerInputs): Picker {
  switch (balance.kind) {
    case "round-robin":
      return roundRobin(inputs.random);
    case "random":
      return (candidates) => at(candidates, randomIndex(candidates.length, inputs.random));
    case "least-request":
      return (candidates) => leastRequest(candidates, inputs.random);
    case "ewma":
      return (candidates) => lowestCost(candidates, inputs);
    case "consistent-hash":
      return consistentHash(balance.key.kind === "source-ip", inputs.random);
  }
}

/**
 * Rendezvous hashing. Chosen over ring and maglev because what a key gets depends on the set of candidates
 * only, not on their order nor on history: all workers and nodes agree, a removed or ejected endpoint moves
 * its own keys and no other, a retry gets the key's second choice, and there is no table to keep per port
 * and worker. The price is one multiplication chain per candidate (bench/micro/balance.ts has the figures).
 */
export function pickByHash(candidates: readonly LiveEndpoint[], key: number): LiveEndpoint {
  let best = at(candidates, 0);
  let bestScore = affinityScore(key, best.seed);
  for (let i = 1; i < candidates.length; i++) {
    const candidate = at(candidates, i);
    const score = affinityScore(key, candidate.seed);
    if (score > bestScore || (score === bestScore && candidate.seed > best.seed)) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** Peak-EWMA latency of an endpoint at `now`, in milliseconds, times its load: what `ewma` compares. */
export function latencyCost(endpoint: LiveEndpoint, now: number, decayMs: number): number {
  if (Number.isNaN(endpoint.latencyMs))
    return endpoint.active === 0 ? 0 : UNKNOWN_LATENCY_MS * endpoint.active;
  const decayed = endpoint.latencyMs * Math.exp((endpoint.latencyAt - now) / decayMs);
  return (decayed + LEAST_LATENCY_MS) * (endpoint.active + 1);
}

/** The average after one more observation: a peak counts at once, better latencies slowly. */
export function observeLatency(
  endpoint: LiveEndpoint,
  latencyMs: number,
  { now, decayMs }: { readonly now: number; readonly decayMs: number },
): void {
  const old = endpoint.latencyMs;
  if (!(latencyMs >= 0)) return;
  if (Number.isNaN(old) || latencyMs > old) endpoint.latencyMs = latencyMs;
  else {
    const weight = Math.exp((endpoint.latencyAt - now) / decayMs);
    endpoint.latencyMs = old * weight + latencyMs * (1 - weight);
  }
  endpoint.latencyAt = now;
}

function roundRobin(random: Random): Picker {
  // Workers that all began at the first endpoint would send bursts to the same one.
  let next = Math.floor(random() * 0x10000);
  return (candidates) => {
    next = (next + 1) & 0x3fffffff;
    return at(candidates, next % candidates.length);
  };
}

function leastRequest(candidates: readonly LiveEndpoint[], random: Random): LiveEndpoint {
  const first = randomIndex(candidates.length, random);
  if (candidates.length === 1) return at(candidates, first);
  const one = at(candidates, first);
  const other = at(candidates, otherIndex(first, candidates.length, random));
  return other.active < one.active ? other : one;
}

function lowestCost(candidates: readonly LiveEndpoint[], inputs: PickerInputs): LiveEndpoint {
  const first = randomIndex(candidates.length, inputs.random);
  if (candidates.length === 1) return at(candidates, first);
  const one = at(candidates, first);
  const other = at(candidates, otherIndex(first, candidates.length, inputs.random));
  const now = inputs.clock();
  const decayMs = inputs.latencyDecayMs;
  return latencyCost(other, now, decayMs) < latencyCost(one, now, decayMs) ? other : one;
}

function consistentHash(bySource: boolean, random: Random): Picker {
  return (candidates, request) => {
    const key = bySource ? request.client : request.key;
    return key === NO_KEY ? leastRequest(candidates, random) : pickByHash(candidates, key);
  };
}

function randomIndex(count: number, random: Random): number {
  return Math.floor(random() * count);
}

/** A random index below `count` that is not `first`. */
function otherIndex(first: number, count: number, random: Random): number {
  const index = Math.floor(random() * (count - 1));
  return index >= first ? index + 1 : index;
}

function at(candidates: readonly LiveEndpoint[], index: number): LiveEndpoint {
  const endpoint = candidates[index];
  if (endpoint === undefined) throw new RangeError(`no candidate ${index} of ${candidates.length}`);
  return endpoint;
}
