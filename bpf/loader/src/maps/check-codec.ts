import type { Codec } from "../api/codec.ts";
import type { MapHandle } from "../api/objects.ts";
import { type KernelMap, kernelMapOf } from "./kernel-map.ts";

/** What a typed view expects of its map. A key codec may be left out where keys are indexes. */
export interface Expectation {
  readonly kind: string;
  readonly types: readonly number[];
  readonly key?: Codec<never> | Codec<unknown>;
  readonly value?: Codec<never> | Codec<unknown>;
}

/** The map behind a handle, when type and sizes are as expected; throws `TypeError` naming what is not. */
export function expectMap(handle: MapHandle, expected: Expectation): KernelMap {
  const map = kernelMapOf(handle);
  const { type, keySize, valueSize } = map.definition;
  if (!expected.types.includes(type)) {
    throw new TypeError(`map "${map.name}" (type ${type}) is no ${expected.kind}`);
  }
  requireSize(map.name, "key", keySize, expected.key?.size);
  requireSize(map.name, "value", valueSize, expected.value?.size);
  return map;
}

function requireSize(name: string, part: string, actual: number, wanted: number | undefined): void {
  if (wanted === undefined || wanted === actual) return;
  throw new TypeError(`map "${name}" has a ${part} of ${actual} bytes, its codec has ${wanted}`);
}
