/** What the tests of this folder share. Imported by tests only. */

import assert from "node:assert/strict";
import { type Balance, DEFAULT_BALANCE } from "#model/balance.ts";
import type { Endpoint, EndpointState } from "#model/service.ts";
import { EndpointSet } from "./endpoint-set.ts";
import { NO_KEY } from "./hash.ts";
import type { LiveEndpoint } from "./live-endpoint.ts";
import type { PickRequest } from "./pickers.ts";
import type { PortSpec } from "./port-spec.ts";
import { type BalanceSettings, DEFAULT_BALANCE_SETTINGS } from "./settings.ts";

/** Every algorithm once. */
export const KINDS: readonly Balance[] = [
  { kind: "least-request" },
  { kind: "round-robin" },
  { kind: "random" },
  { kind: "ewma" },
  { kind: "consistent-hash", key: { kind: "header", name: "x-user" } },
  { kind: "consistent-hash", key: { kind: "source-ip" } },
];
/** A request without a key. */
export const ANYONE: PickRequest = { key: NO_KEY, client: NO_KEY, tried: [] };

/** The n-th endpoint of a service. */
export function endpoint(n: number, state: EndpointState = "ready"): Endpoint {
  return { address: `10.0.0.${n}`, port: 8080, state, workload: `pod-${n}` };
}

/** The first `count` endpoints, ready. */
export function endpoints(count: number): readonly Endpoint[] {
  return Array.from({ length: count }, (_, i) => endpoint(i + 1));
}

/** A small deterministic generator: failures of these tests repeat. */
function seededRandom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** What rig() gives. */
export interface Rig {
  readonly set: EndpointSet;
  /** The set's clock, in milliseconds. */
  readonly time: { now: number };
}

/** A set with a clock and randomness of its own; three endpoints unless told otherwise. */
export function rig(spec: Partial<PortSpec>, settings: Partial<BalanceSettings> = {}): Rig {
  const time = { now: 0 };
  const set = new EndpointSet(
    { balance: DEFAULT_BALANCE, endpoints: endpoints(3), ...spec },
    {
      name: "shop/order:80",
      settings: { ...DEFAULT_BALANCE_SETTINGS, ...settings },
      clock: () => time.now,
      random: seededRandom(42),
    },
  );
  return { set, time };
}

/** Picks; fails the test on a refusal. */
export function mustPick(set: EndpointSet, request: PickRequest = ANYONE): LiveEndpoint {
  const picked = set.pick(request);
  assert.equal(picked.kind, "endpoint");
  if (picked.kind !== "endpoint") throw new Error("unreachable");
  return picked;
}

/** The live endpoint of endpoint(n). */
export function find(set: EndpointSet, n: number): LiveEndpoint {
  const found = set.endpoints.find((one) => one.address === `10.0.0.${n}`);
  if (found === undefined) throw new Error(`no endpoint ${n}`);
  return found;
}

/** Picks `count` times (released at once) and counts by address. */
export function spread(
  set: EndpointSet,
  count: number,
  request: (i: number) => PickRequest = () => ANYONE,
): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const picked = mustPick(set, request(i));
    set.release(picked);
    counts.set(picked.address, (counts.get(picked.address) ?? 0) + 1);
  }
  return counts;
}

/** Fails an endpoint until it is ejected. */
export function ejectByConnect(set: EndpointSet, target: LiveEndpoint): void {
  for (let i = 0; i < DEFAULT_BALANCE_SETTINGS.connectFailuresToEject; i++)
    set.failed(target, "connect");
}
