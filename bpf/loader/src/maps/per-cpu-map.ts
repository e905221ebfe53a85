import type { Codec } from "../api/codec.ts";
import type { PerCpuArrayMap, PerCpuHashMap } from "../api/maps.ts";
import type { MapHandle } from "../api/objects.ts";
import { MAP_TYPE } from "../sys/constants.ts";
import { requireIndex } from "./array-map.ts";
import { expectMap } from "./check-codec.ts";
import { u32 } from "./codecs.ts";
import { possibleCpus } from "./cpus.ts";
import { type KernelMap, roundUp } from "./kernel-map.ts";
import { walkKeys } from "./walk-keys.ts";

/** A typed view of a per-CPU hash or per-CPU LRU map. Throws `TypeError` when the codecs don't fit. */
export function perCpuHashMap<K, V>(
  map: MapHandle,
  key: Codec<K>,
  value: Codec<V>,
): PerCpuHashMap<K, V> {
  const types = [MAP_TYPE.perCpuHash, MAP_TYPE.lruPerCpuHash];
  return new TypedPerCpu(expectMap(map, { kind: "per-CPU hash", types, key, value }), key, value);
}

/** A typed view of a per-CPU array. Throws `TypeError` when the codec does not fit. */
export function perCpuArrayMap<V>(map: MapHandle, value: Codec<V>): PerCpuArrayMap<V> {
  const types = [MAP_TYPE.perCpuArray];
  const inner = expectMap(map, { kind: "per-CPU array", types, value });
  return new TypedPerCpuArray(inner, value);
}

class TypedPerCpu<K, V> implements PerCpuHashMap<K, V> {
  readonly map: KernelMap;
  readonly #key: Codec<K>;
  readonly #value: Codec<V>;

  constructor(map: KernelMap, key: Codec<K>, value: Codec<V>) {
    this.map = map;
    this.#key = key;
    this.#value = value;
  }

  get(key: K): V[] | undefined {
    this.#key.encode(key, this.map.key, 0);
    return this.map.lookup() ? decodeAll(this.map, this.#value) : undefined;
  }

  set(key: K, values: readonly V[]): void {
    this.#key.encode(key, this.map.key, 0);
    encodeAll(this.map, this.#value, values);
    this.map.update();
  }

  delete(key: K): boolean {
    this.#key.encode(key, this.map.key, 0);
    return this.map.remove();
  }

  *entries(): Generator<[K, V[]]> {
    for (const bytes of walkKeys(this.map)) {
      const key = this.#key.decode(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0);
      const values = this.get(key);
      if (values !== undefined) yield [key, values];
    }
  }
}

class TypedPerCpuArray<V> implements PerCpuArrayMap<V> {
  readonly map: KernelMap;
  readonly #inner: TypedPerCpu<number, V>;

  constructor(map: KernelMap, value: Codec<V>) {
    this.map = map;
    this.#inner = new TypedPerCpu(map, u32, value);
  }

  get length(): number {
    return this.map.definition.maxEntries;
  }

  get(index: number): V[] {
    requireIndex(this.map, index);
    return this.#inner.get(index) ?? [];
  }

  set(index: number, values: readonly V[]): void {
    requireIndex(this.map, index);
    this.#inner.set(index, values);
  }
}

function decodeAll<V>(map: KernelMap, value: Codec<V>): V[] {
  const stride = roundUp(value.size);
  return Array.from({ length: possibleCpus() }, (_, cpu) => value.decode(map.value, cpu * stride));
}

function encodeAll<V>(map: KernelMap, value: Codec<V>, values: readonly V[]): void {
  const cpus = possibleCpus();
  if (values.length !== cpus) {
    throw new RangeError(`map "${map.name}" takes ${cpus} values for a key, not ${values.length}`);
  }
  const stride = roundUp(value.size);
  for (const [cpu, one] of values.entries()) value.encode(one, map.value, cpu * stride);
}
