/**
 * What a worker looks things up in: the snapshot, indexed. Updated by deltas in place, so that a change costs what changed
 * and the runtime state of endpoints (`EndpointSet`) lives on across versions. One worker, one thread, one directory.
 */

import {
  changesIn,
  KIND,
  KINDS,
  type Kind,
  type Kinds,
  removesIn,
  upsertsIn,
} from "#model/kinds.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { familyOf, type PortStates, ServiceIndex, type ServicePortEntry } from "./service-index.ts";
import { WorkloadIndex } from "./workload-index.ts";

/** Follows the values of one kind, for look-ups by something else than the key. */
export interface Index<T extends object> {
  /** The value is new, or another one than before. */
  put(value: T): void;
  /** The value of that key is gone. */
  remove(key: string): void;
}

/** The values of one kind, and who follows them. */
interface Store {
  readonly kind: Kind<object>;
  readonly values: Map<string, object>;
  readonly index: Index<object> | undefined;
}

/** The worker's view of the world. */
export class Directory<State = unknown> {
  readonly #workloads: WorkloadIndex = new WorkloadIndex();
  readonly #services: ServiceIndex<State>;
  readonly #stores: readonly Store[];
  #revision = 0;

  /** `kinds`: another table, only for tests. */
  constructor(states: PortStates<State>, kinds: Kinds = KINDS) {
    this.#services = new ServiceIndex(states);
    const indexes = new Map<string, Index<object>>([
      [KIND.workloads.name, this.#workloads],
      [KIND.services.name, this.#services],
    ]);
    this.#stores = kinds.map((kind) => ({
      kind,
      values: new Map(),
      index: indexes.get(kind.name),
    }));
  }

  /** Rises with every delta; 0 = nothing was ever received. What was decided under another one may be outdated. */
  get revision(): number {
    return this.#revision;
  }

  /** All values of a kind, by key, as the snapshot has them. */
  values<T extends object>({ name }: Kind<T>): ReadonlyMap<string, T> {
    const store = this.#stores.find(({ kind }) => kind.name === name);
    // The values of a store are of its kind.
    return (store?.values ?? new Map()) as ReadonlyMap<string, T>;
  }

  /** The workload with this uid, with the addresses that were learnt while the snapshot knows none. */
  workload(uid: string): Workload | undefined {
    return this.#workloads.get(uid);
  }

  /** A pod of this node has these addresses: they count until the snapshot says which it has. */
  learn(uid: string, addresses: readonly string[]): void {
    if (this.#workloads.learn(uid, addresses)) this.#revision++;
  }

  /** The pod is no longer served here. */
  unlearn(uid: string): void {
    this.#workloads.unlearn(uid);
  }

  /** The workload that has this address (canonical text). */
  workloadAt(address: string): Workload | undefined {
    return this.#workloads.at(address);
  }

  /** The service port at this virtual address. The entry keeps its identity until the service changes. */
  service(address: string, port: number): ServicePortEntry<State> | undefined {
    return this.#services.entry(address, port, familyOf(address));
  }

  /** The same service port by its endpoints of the other address family; undefined when the service has none. */
  otherFamily(address: string, port: number): ServicePortEntry<State> | undefined {
    return this.#services.entry(address, port, familyOf(address) === 4 ? 6 : 4);
  }

  /** Every service port that has runtime state, for the admin socket and metrics. */
  active(): Iterable<ServicePortEntry<State>> {
    return this.#services.active();
  }

  /** Applies a delta whose base the caller has checked. */
  apply(delta: SnapshotDelta): void {
    for (const store of this.#stores) {
      if (delta.base === "nothing") forgetOthers(store, delta);
      applyTo(store, delta);
    }
    this.#revision++;
  }
}

/** A full snapshot keeps the state of what is still there. */
function forgetOthers(store: Store, delta: SnapshotDelta): void {
  const { kind, values } = store;
  const named = new Set(upsertsIn(delta, kind).map((value) => kind.keyOf(value)));
  for (const key of [...values.keys()]) if (!named.has(key)) remove(store, key);
}

function applyTo(store: Store, delta: SnapshotDelta): void {
  const { kind, values } = store;
  for (const key of removesIn(delta, kind)) remove(store, key);
  for (const value of upsertsIn(delta, kind)) put(store, kind.keyOf(value), value);
  // Undefined when it is for another world: the caller has checked that it is not.
  const changed = kind.changes?.apply(values, changesIn(delta, kind));
  for (const [key, value] of changed ?? []) put(store, key, value);
}

function put({ values, index }: Store, key: string, value: object): void {
  values.set(key, value);
  index?.put(value);
}

function remove({ values, index }: Store, key: string): void {
  if (values.delete(key)) index?.remove(key);
}
