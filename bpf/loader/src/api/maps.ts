import type { MapHandle } from "./objects.ts";

/** What `set` does about an existing key: `any` writes, `create` and `update` refuse with false. */
export type SetMode = "any" | "create" | "update";

/** Hash, LRU hash and LPM trie maps. Methods throw `SystemError` for anything unexpected. */
export interface HashMap<K, V> {
  readonly map: MapHandle;
  get(key: K): V | undefined;
  /** True when written; false when `mode` forbids it (key there for `create`, missing for `update`). */
  set(key: K, value: V, mode?: SetMode): boolean;
  /** True when the key was there. */
  delete(key: K): boolean;
  /** Reads and removes in one step. */
  take(key: K): V | undefined;
  /** Every entry once, also while others delete; entries added meanwhile may or may not be seen. */
  entries(): IterableIterator<[K, V]>;
  keys(): IterableIterator<K>;
  /** Writes all in as few calls as the kernel allows. */
  setMany(entries: Iterable<readonly [K, V]>): void;
  /** All entries at once, in as few calls as the kernel allows: much faster than `entries()`, more memory. */
  readAll(): [K, V][];
  /** Removes all, in as few calls as the kernel allows; missing keys are ignored. Returns how many were there. */
  deleteMany(keys: Iterable<K>): number;
  /** Removes every entry. */
  clear(): void;
}

/** Array maps: every index below `length` exists always. An index out of range throws `RangeError`. */
export interface ArrayMap<V> {
  readonly map: MapHandle;
  readonly length: number;
  get(index: number): V;
  set(index: number, value: V): void;
  /** The kernel's own memory (needs `BPF_F_MMAPABLE`): reading and writing cost no system call. */
  mapped(): MappedArray<V>;
}

/** An array map mapped into this process. Disposing unmaps: don't touch `bytes` afterwards. */
export interface MappedArray<V> extends Disposable {
  readonly bytes: Uint8Array;
  get(index: number): V;
  set(index: number, value: V): void;
}

/** Per-CPU hash and LRU maps: one value for each possible CPU. */
export interface PerCpuHashMap<K, V> {
  readonly map: MapHandle;
  get(key: K): V[] | undefined;
  set(key: K, values: readonly V[]): void;
  delete(key: K): boolean;
  entries(): IterableIterator<[K, V[]]>;
}

/** Per-CPU arrays: one value for each possible CPU and index. */
export interface PerCpuArrayMap<V> {
  readonly map: MapHandle;
  readonly length: number;
  get(index: number): V[];
  set(index: number, values: readonly V[]): void;
}

/** Sockmap (key: index) and sockhash. Values go in as socket descriptors and come out as cookies. */
export interface SocketMap<K> {
  readonly map: MapHandle;
  set(key: K, socketFd: number): void;
  delete(key: K): boolean;
  /** Cookie of the socket, or undefined when the slot is empty. */
  cookie(key: K): bigint | undefined;
}

/** Queues and stacks. */
export interface QueueMap<V> {
  readonly map: MapHandle;
  /** False when full (true after overwriting the oldest with `replace`). */
  push(value: V, replace?: boolean): boolean;
  pop(): V | undefined;
  peek(): V | undefined;
}

/** Maps whose values are descriptors: prog arrays, maps of maps, cgroup arrays. */
export interface DescriptorMap<K> {
  readonly map: MapHandle;
  set(key: K, object: { readonly fd: number }): void;
  delete(key: K): boolean;
  /** The kernel's id of what is in the slot. */
  id(key: K): number | undefined;
}

/** A ring buffer's consumer. Disposing stops it and unmaps its memory. */
export interface RingBuffer<V> extends Disposable {
  readonly map: MapHandle;
  /** Descriptor for somebody else's epoll: readable when there are records. */
  readonly fd: number;
  /** Hands every waiting record to `onRecord`; returns how many. */
  consume(onRecord: (record: V) => void): number;
  /** Records as they come, without polling: one thread waits in epoll. Ends on dispose or abort. */
  records(signal?: AbortSignal): AsyncIterableIterator<V>;
}
