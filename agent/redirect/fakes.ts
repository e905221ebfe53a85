/** Stand-ins for the kernel's side, for unit tests: plain Maps that behave as the kernel's tables do. */

import type { KernelReason } from "../kernel/layout.gen.ts";
import type {
  CidrKey,
  ListeningKey,
  ListeningState,
  ListeningTables,
  Pod,
  PodTables,
  PortKey,
  ProbeKey,
  Table,
} from "../kernel/mesh-maps.ts";
import type { ListeningSocket } from "../kernel/sock-diag.ts";
import type { Located, PodLocator } from "./locator.ts";
import type { NamespaceNetworks } from "./networks.ts";
import type { Place, Places, Site } from "./place.ts";
import type { PodKernel } from "./pod.ts";
import type { CaughtPod, PodUsers } from "./pod-users.ts";

/** A table in memory. Each call is told to `onWrite`, so that a test can look between two writes. */
export class FakeTable<K, V> implements Table<K, V> {
  readonly #entries = new Map<string, [K, V]>();
  readonly #onWrite: () => void;

  constructor(onWrite: () => void = () => {}) {
    this.#onWrite = onWrite;
  }

  get(key: K): V | undefined {
    return this.#entries.get(textOf(key))?.[1];
  }

  set(key: K, value: V): boolean {
    this.#entries.set(textOf(key), [key, value]);
    this.#onWrite();
    return true;
  }

  delete(key: K): boolean {
    const there = this.#entries.delete(textOf(key));
    this.#onWrite();
    return there;
  }

  entries(): IterableIterator<[K, V]> {
    return this.#entries.values();
  }
}

/** The tables of pods. */
export interface FakeTables extends PodTables, ListeningTables {
  readonly pods: FakeTable<bigint, Pod>;
  readonly excludedPorts: FakeTable<PortKey, number>;
  readonly cidrs: FakeTable<CidrKey, number>;
  readonly networks: FakeTable<CidrKey, number>;
  readonly probePorts: FakeTable<ProbeKey, bigint>;
  readonly listening: FakeTable<ListeningKey, number>;
  readonly foundListening: FakeTable<ListeningKey, number>;
  readonly listeningStates: FakeTable<bigint, ListeningState>;
}

/** Empty tables. */
export function fakeTables(onWrite?: () => void): FakeTables {
  return {
    pods: new FakeTable(onWrite),
    excludedPorts: new FakeTable(onWrite),
    cidrs: new FakeTable(onWrite),
    networks: new FakeTable(onWrite),
    probePorts: new FakeTable(onWrite),
    listening: new FakeTable(),
    foundListening: new FakeTable(),
    listeningStates: new FakeTable(),
  };
}

/** Everything the tables hold, in an order that does not depend on how it was written. */
export function dump(tables: PodTables): string[] {
  return [tables.pods, tables.excludedPorts, tables.cidrs, tables.networks, tables.probePorts]
    .flatMap((table, i) => [...table.entries()].map((entry) => `${i} ${textOf(entry)}`))
    .sort();
}

/** A locator whose answers the test sets. */
export class FakeLocator implements PodLocator {
  readonly answers: Map<string, Located> = new Map();
  /** Pods that nobody waits for any more. */
  readonly forgotten: string[] = [];
  #listener: (uid: string) => void = () => {};

  locate(uid: string): Located {
    return this.answers.get(uid) ?? { kind: "absent", reason: "no-such-pod" };
  }

  forget(uid: string): void {
    this.forgotten.push(uid);
  }

  onChange(listener: (uid: string) => void): void {
    this.#listener = listener;
  }

  /** Puts a pod at namespaces (undefined: nowhere) and tells. */
  move(uid: string, ...inodes: readonly (number | undefined)[]): void {
    const namespaces = inodes
      .filter((inode) => inode !== undefined)
      .map((inode) => ({ path: `/${inode}`, inode }));
    if (namespaces.length === 0) this.answers.delete(uid);
    else this.answers.set(uid, { kind: "found", namespaces });
    this.#listener(uid);
  }

  [Symbol.dispose](): void {}
}

/** Places that only count. The cookie of a namespace is its inode. */
export class FakePlaces implements Places {
  /** Open places by descriptor. */
  readonly opened: Map<number, Place> = new Map();
  /** Listening descriptors that are open. */
  readonly listeners: Set<number> = new Set();
  /** Cookies of namespaces in which rules and routes are. */
  readonly turned: Set<bigint> = new Set();
  /** Set to make the next turn() throw. */
  failure: string | undefined;
  /** Set to make the next open() throw once the namespace is open. */
  openFailure: string | undefined;
  /** Addresses that every namespace has. */
  own: readonly string[] = [];
  #nextFd = 100;

  open(
    located: Located & { kind: "found" },
    known: readonly string[],
    first: (site: Site) => void,
  ): Place {
    const addresses = known.length > 0 ? known : this.own;
    const inode = located.namespaces[0]?.inode ?? 0;
    const cookie = BigInt(inode);
    const netns = this.#nextFd++;
    const site = { netns, inode, cookie, addresses, missing: [] };
    first(site);
    const { openFailure } = this;
    this.openFailure = undefined;
    if (openFailure !== undefined) throw new Error(openFailure);
    const place = {
      ...site,
      listeners: [this.#nextFd++],
      watch: { hasChanged: () => false, [Symbol.dispose]() {} },
      settings: 0,
      listenerPort: 0,
    };
    this.opened.set(netns, place);
    for (const fd of place.listeners) this.listeners.add(fd);
    return place;
  }

  listening(): readonly ListeningSocket[] {
    return [];
  }

  networks(): NamespaceNetworks {
    return { addresses: [], routes: [] };
  }

  turn(place: Place): void {
    const { failure } = this;
    this.failure = undefined;
    this.turned.add(place.cookie);
    if (failure !== undefined) throw new Error(failure);
  }

  move(place: Place): Place {
    const fd = this.#nextFd++;
    this.listeners.add(fd);
    return { ...place, listeners: [fd], listenerPort: place.listenerPort + 1 };
  }

  leave({ listeners }: Pick<Place, "listeners">): void {
    for (const fd of listeners)
      if (!this.listeners.delete(fd)) throw new Error("a listener is closed twice");
  }

  undo(place: Pick<Place, "netns">): void {
    const { cookie } = this.opened.get(place.netns) ?? {};
    if (cookie === undefined) throw new Error("undo of a place that is not open");
    this.turned.delete(cookie);
  }

  close(place: Place): void {
    if (!this.opened.delete(place.netns)) throw new Error("closed twice");
    this.leave(place);
  }
}

/** The kernel's side in memory. */
export class FakeKernel implements PodKernel {
  readonly attached: Set<bigint> = new Set();
  readonly listening: Map<bigint, number> = new Map();
  readonly tables: FakeTables = fakeTables();
  readonly maps: PodKernel["maps"] = {
    ...this.tables,
    listeners: {
      set: (key, fd) => void this.listening.set(key, fd),
      delete: (key) => this.listening.delete(key),
    },
  };

  attachPod(cookie: bigint): void {
    this.attached.add(cookie);
  }

  detachPod(cookie: bigint): void {
    this.attached.delete(cookie);
  }

  attachedPods(): bigint[] {
    return [...this.attached];
  }

  counters(): Map<KernelReason, bigint> {
    return new Map();
  }
}

/** Workers that agree at once, and are idle when the test says so. */
export class FakeUsers implements PodUsers {
  readonly told: string[] = [];
  readonly #idle = new Map<string, () => void>();

  async added(pod: CaughtPod): Promise<void> {
    this.told.push(`added ${pod.uid}`);
  }

  /** Set to make the next moved() reject. */
  refusal: string | undefined;

  async moved({ uid, listeners }: Pick<CaughtPod, "uid" | "listeners">): Promise<void> {
    const { refusal } = this;
    this.refusal = undefined;
    this.told.push(`moved ${uid} to ${listeners.join()}`);
    if (refusal !== undefined) throw new Error(refusal);
  }

  idle(uid: string, _signal: AbortSignal): Promise<void> {
    this.told.push(`leaving ${uid}`);
    return new Promise((resolve) => this.#idle.set(uid, resolve));
  }

  /** Those whose connections do not end. */
  readonly stuck: Map<string, Promise<void>> = new Map();

  async removed(uid: string): Promise<void> {
    this.told.push(`removed ${uid}`);
    await this.stuck.get(uid);
  }

  /** Its last relayed connection ended. */
  end(uid: string): void {
    this.#idle.get(uid)?.();
  }
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "bigint" ? `${inner}n` : inner,
  );
}
