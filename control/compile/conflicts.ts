/** One address, one owner: data planes look things up by address, so two claims must be settled here. */

import { isDeepStrictEqual } from "node:util";
import type { Condition } from "../k8s/api/condition.ts";
import { type KubeObject, objectRef, refKey } from "../k8s/api/decode.ts";
import { patched } from "./patched.ts";

/** A compiled thing that may claim addresses. */
export interface Claimant<T> {
  readonly value: T | undefined;
  readonly key: string;
  /** RFC 3339 text or empty; the newer claim wins, as addresses are used again. */
  readonly created: string;
  readonly source: KubeObject;
}

/** All things by key, each address with one owner, and what had to be settled. */
export interface Resolved<T> {
  readonly byKey: ReadonlyMap<string, T>;
  readonly conditions: readonly Condition[];
  /** What was settled. */
  readonly claimants: readonly Claimant<T>[];
}

/** Nothing, and no quarrel about it. */
export const UNCONTESTED: Resolved<never> = {
  byKey: new Map<string, never>(),
  conditions: [],
  claimants: [],
};

/**
 * Settles claims: the newer object keeps the address (by creation time, then by name), the other loses it
 * and gets a condition. A thing without any address left stays, so that its name is still known.
 * Results equal to those of `before` are taken over by identity.
 */
export function resolveAddressConflicts<T extends Addressed>(
  claimants: readonly Claimant<T>[],
  before: Resolved<T>,
): Resolved<T> {
  if (claimants === before.claimants) return before;
  const fresh = before.conditions.length === 0 ? quietChanges(claimants, before) : undefined;
  if (fresh !== undefined)
    return { byKey: patched(before.byKey, fresh, before.byKey), conditions: [], claimants };
  const { owners, contested } = findOwners(claimants);
  const byKey = new Map<string, T>();
  const conditions: Condition[] = [];
  for (const claimant of claimants) {
    const { key, value } = claimant;
    if (value === undefined) continue;
    const lost = contested ? lostAddresses(claimant, owners) : [];
    byKey.set(key, lost.length === 0 ? value : strip(value, lost, before.byKey.get(key)));
    for (const [address, winner] of lost) conditions.push(conflict(claimant, winner, address));
  }
  return { byKey, conditions, claimants };
}

/**
 * What is new when the same things have the same addresses as before, which is nearly always: then
 * nobody can have come to quarrel. Undefined when that is not so.
 */
function quietChanges<T extends Addressed>(
  claimants: readonly Claimant<T>[],
  before: Resolved<T>,
): readonly (readonly [string, T])[] | undefined {
  const fresh: (readonly [string, T])[] = [];
  let present = 0;
  for (const [i, claimant] of claimants.entries()) {
    const { key, value } = claimant;
    if (value === undefined) continue;
    present++;
    // Mostly they come in the order of before: then nothing has to be looked up.
    if (claimant === before.claimants[i]) continue;
    const known = before.byKey.get(key);
    if (known === value) continue;
    if (!isDeepStrictEqual(known?.addresses, value.addresses)) return undefined;
    fresh.push([key, value]);
  }
  return present === before.byKey.size ? fresh : undefined;
}

type Addressed = { readonly addresses: readonly string[] };
type Lost<T> = readonly (readonly [string, Claimant<T>])[];

function findOwners<T extends Addressed>(
  claimants: readonly Claimant<T>[],
): { owners: ReadonlyMap<string, Claimant<T>>; contested: boolean } {
  const owners = new Map<string, Claimant<T>>();
  let contested = false;
  for (const claimant of claimants) {
    for (const address of claimant.value?.addresses ?? []) {
      const known = owners.get(address);
      contested ||= known !== undefined;
      if (known === undefined || isNewer(claimant, known)) owners.set(address, claimant);
    }
  }
  return { owners, contested };
}

function lostAddresses<T extends Addressed>(
  claimant: Claimant<T>,
  owners: ReadonlyMap<string, Claimant<T>>,
): Lost<T> {
  return (claimant.value?.addresses ?? []).flatMap((address) => {
    const owner = owners.get(address);
    return owner === undefined || owner === claimant ? [] : [[address, owner] as const];
  });
}

function strip<T extends Addressed>(value: T, lost: Lost<T>, known: T | undefined): T {
  const gone = new Set(lost.map(([address]) => address));
  const addresses = value.addresses.filter((address) => !gone.has(address));
  const stripped = { ...value, addresses };
  return known !== undefined && isDeepStrictEqual(known, stripped) ? known : stripped;
}

function isNewer<T>(a: Claimant<T>, b: Claimant<T>): boolean {
  if (a.created !== b.created) return a.created > b.created;
  return refKey(objectRef(a.source)) > refKey(objectRef(b.source));
}

function conflict<T>(loser: Claimant<T>, winner: Claimant<T>, address: string): Condition {
  return {
    ref: objectRef(loser.source),
    reason: "address-conflict",
    field: "",
    problem: `${address} belongs to the newer ${refKey(objectRef(winner.source))} too`,
    nextStep: "delete one of the two, or give one another address",
  };
}
