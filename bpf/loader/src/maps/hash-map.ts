import type { Codec } from "../api/codec.ts";
import type { HashMap, SetMode } from "../api/maps.ts";
import type { MapHandle } from "../api/objects.ts";
import { BPF, ERRNO, MAP_TYPE, UPDATE } from "../sys/constants.ts";
import { inBatches, isUnsupported, readBatches, runBatch } from "./batch.ts";
import { expectMap } from "./check-codec.ts";
import { type LpmKey, lpmKey } from "./codecs.ts";
import type { KernelMap } from "./kernel-map.ts";
import { walkKeys } from "./walk-keys.ts";

const NOTHING = new Uint8Array(0);

/** A typed view of a hash or LRU hash map. Throws `TypeError` when sizes or type don't fit the codecs. */
export function hashMap<K, V>(map: MapHandle, key: Codec<K>, value: Codec<V>): HashMap<K, V> {
  const types = [MAP_TYPE.hash, MAP_TYPE.lruHash];
  return new TypedHash(expectMap(map, { kind: "hash map", types, key, value }), key, value);
}

/** A typed view of an LPM trie whose keys have `dataBytes` of data. */
export function lpmTrie<V>(map: MapHandle, dataBytes: number, value: Codec<V>): HashMap<LpmKey, V> {
  const key = lpmKey(dataBytes);
  const types = [MAP_TYPE.lpmTrie];
  return new TypedHash(expectMap(map, { kind: "LPM trie", types, key, value }), key, value);
}

/** A typed view of an LPM trie whose key is a struct of its own, the prefix's length (32 bits) first. */
export function prefixMap<K, V>(map: MapHandle, key: Codec<K>, value: Codec<V>): HashMap<K, V> {
  const types = [MAP_TYPE.lpmTrie];
  return new TypedHash(expectMap(map, { kind: "LPM trie", types, key, value }), key, value);
}

class TypedHash<K, V> implements HashMap<K, V> {
  readonly map: KernelMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;

  constructor(map: KernelMap, key: Codec<K>, value: Codec<V>) {
    this.map = map;
    this.#key = key;
    this.#value = value;
  }

  get(key: K): V | undefined {
    this.#key.encode(key, this.map.key, 0);
    return this.map.lookup() ? this.#value.decode(this.map.value, 0) : undefined;
  }

  set(key: K, value: V, mode: SetMode = "any"): boolean {
    this.#key.encode(key, this.map.key, 0);
    this.#value.encode(value, this.map.value, 0);
    const result = this.map.tryUpdate(UPDATE[mode]);
    if (result >= 0) return true;
    const refused =
      (mode === "create" && result === -ERRNO.EEXIST) ||
      (mode === "update" && result === -ERRNO.ENOENT);
    if (refused) return false;
    throw this.map.error("write to", -result);
  }

  delete(key: K): boolean {
    this.#key.encode(key, this.map.key, 0);
    return this.map.remove();
  }

  take(key: K): V | undefined {
    this.#key.encode(key, this.map.key, 0);
    return this.map.take() ? this.#value.decode(this.map.value, 0) : undefined;
  }

  *entries(): Generator<[K, V]> {
    for (const key of this.keys()) {
      const value = this.get(key);
      // Deleted between the two calls: it is not there, so it is not seen.
      if (value !== undefined) yield [key, value];
    }
  }

  *keys(): Generator<K> {
    for (const bytes of walkKeys(this.map)) {
      yield this.#key.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
    }
  }

  setMany(entries: Iterable<readonly [K, V]>): void {
    for (const batch of inBatches(entries)) this.#setBatch(batch);
  }

  deleteMany(keys: Iterable<K>): number {
    let count = 0;
    for (const batch of inBatches(keys)) count += this.#deleteBatch(batch);
    return count;
  }

  readAll(): [K, V][] {
    const pages = readBatches(this.map);
    if (pages === undefined) return [...this.entries()];
    return pages.flatMap(({ count, keys, values }) => {
      const keyView = new DataView(keys.buffer);
      const valueView = new DataView(values.buffer);
      return Array.from({ length: count }, (_, i): [K, V] => [
        this.#key.decode(keyView, i * this.#key.size),
        this.#value.decode(valueView, i * this.#value.size),
      ]);
    });
  }

  clear(): void {
    // Until nothing is left: a delete may make the walk start over.
    for (const key of this.keys()) this.delete(key);
  }

  /** The kernel stops at the first key that is not there: it is skipped, and the rest goes on. */
  #deleteBatch(batch: readonly K[]): number {
    const { size } = this.#key;
    const keys = new Uint8Array(size * batch.length);
    const view = new DataView(keys.buffer);
    for (const [i, key] of batch.entries()) this.#key.encode(key, view, i * size);
    let deleted = 0;
    for (let at = 0; at < batch.length; ) {
      const rest = { count: batch.length - at, keys: keys.subarray(at * size), values: NOTHING };
      const { done, errno } = runBatch(this.map, BPF.mapDeleteBatch, rest);
      if (isUnsupported(errno))
        return batch.slice(at).reduce((sum, key) => sum + (this.delete(key) ? 1 : 0), deleted);
      if (errno !== 0 && errno !== ERRNO.ENOENT) throw this.map.error("delete from", errno);
      deleted += done;
      at += errno === 0 ? done : done + 1;
    }
    return deleted;
  }

  #setBatch(batch: readonly (readonly [K, V])[]): void {
    const { size: keySize } = this.#key;
    const { size: valueSize } = this.#value;
    const keys = new Uint8Array(keySize * batch.length);
    const values = new Uint8Array(valueSize * batch.length);
    const keyView = new DataView(keys.buffer);
    const valueView = new DataView(values.buffer);
    for (const [i, [key, value]] of batch.entries()) {
      this.#key.encode(key, keyView, i * keySize);
      this.#value.encode(value, valueView, i * valueSize);
    }
    const { errno } = runBatch(this.map, BPF.mapUpdateBatch, { count: batch.length, keys, values });
    if (errno === 0) return;
    if (!isUnsupported(errno)) throw this.map.error("write to", errno);
    for (const [key, value] of batch) this.set(key, value);
  }
}
