/**
 * src/maps gives typed access to maps: one handle per kind of map, codecs for keys and values, batches,
 * iteration that survives concurrent deletes, memory-mapped arrays, ring buffers. It may import sys and api;
 * it must never guess a layout: sizes are checked against the kernel's.
 */

import type { Codec } from "../api/codec.ts";
import type { ArrayMap, MappedArray } from "../api/maps.ts";
import type { MapHandle } from "../api/objects.ts";
import { SystemError, UnsupportedFeature } from "../errors.ts";
import { MAP_FLAG, MAP_TYPE } from "../sys/constants.ts";
import { expectMap } from "./check-codec.ts";
import { type KernelMap, roundUp } from "./kernel-map.ts";

const PAGE = 4096;

/** A typed view of an array map, also of a data section's map. Throws `TypeError` when the codec does not fit. */
export function arrayMap<V>(map: MapHandle, value: Codec<V>): ArrayMap<V> {
  return new TypedArray(expectMap(map, { kind: "array", types: [MAP_TYPE.array], value }), value);
}

class TypedArray<V> implements ArrayMap<V> {
  readonly map: KernelMap;
  readonly #value: Codec<V>;

  constructor(map: KernelMap, value: Codec<V>) {
    this.map = map;
    this.#value = value;
  }

  get length(): number {
    return this.map.definition.maxEntries;
  }

  get(index: number): V {
    this.#point(index);
    this.map.lookup();
    return this.#value.decode(this.map.value, 0);
  }

  set(index: number, value: V): void {
    this.#point(index);
    this.#value.encode(value, this.map.value, 0);
    this.map.update();
  }

  mapped(): MappedArray<V> {
    if ((this.map.definition.flags & MAP_FLAG.mappable) === 0) {
      throw new UnsupportedFeature(`BPF_F_MMAPABLE on map "${this.map.name}"`, "5.5");
    }
    return new Mapping(this.map, this.#value);
  }

  #point(index: number): void {
    requireIndex(this.map, index);
    this.map.key.setUint32(0, index, true);
  }
}

/** Throws `RangeError` for an index the array does not have. */
export function requireIndex(map: KernelMap, index: number): void {
  const { maxEntries } = map.definition;
  if (Number.isInteger(index) && index >= 0 && index < maxEntries) return;
  throw new RangeError(`map "${map.name}" has no index ${index}: it has ${maxEntries}`);
}

class Mapping<V> implements MappedArray<V> {
  readonly #map: KernelMap;
  readonly #value: Codec<V>;
  readonly #length: number;
  #address: number;
  #memory: ArrayBuffer;

  constructor(map: KernelMap, value: Codec<V>) {
    this.#map = map;
    this.#value = value;
    const bytes = roundUp(map.definition.valueSize) * map.definition.maxEntries;
    this.#length = Math.ceil(bytes / PAGE) * PAGE;
    const { syscalls } = map.host;
    this.#address = syscalls.mmap({ fd: map.fd, length: this.#length, offset: 0, writable: true });
    if (this.#address < 0) throw new SystemError(`mmap map "${map.name}"`, -this.#address);
    this.#memory = syscalls.memory(this.#address, this.#length);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#memory);
  }

  get(index: number): V {
    return this.#value.decode(this.#element(index), 0);
  }

  set(index: number, value: V): void {
    this.#value.encode(value, this.#element(index), 0);
  }

  [Symbol.dispose](): void {
    if (this.#address === 0) return;
    this.#map.host.syscalls.munmap(this.#address, this.#length);
    this.#address = 0;
    // What lies there now is somebody else's.
    this.#memory = new ArrayBuffer(0);
  }

  #element(index: number): DataView {
    requireIndex(this.#map, index);
    return new DataView(this.#memory, index * roundUp(this.#map.definition.valueSize));
  }
}
