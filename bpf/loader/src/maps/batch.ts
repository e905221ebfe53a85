import { BPF, ERRNO } from "../sys/constants.ts";
import type { KernelMap } from "./kernel-map.ts";

/** Most entries of one batch call: bounds the native memory to a few hundred kilobytes for usual sizes. */
const BATCH = 1024;
const ENOTSUPP = 524;

/** Entries as bytes, laid out one after the other. */
export interface Packed {
  readonly count: number;
  readonly keys: Uint8Array;
  /** Empty for deletes. */
  readonly values: Uint8Array;
}

/** Splits into batches that `run` handles. */
export function* inBatches<T>(items: Iterable<T>): Generator<T[]> {
  let batch: T[] = [];
  for (const item of items) {
    batch.push(item);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** Writes or deletes many at once: how many entries were done before the first failure, and that failure's errno (0 = none). */
export function runBatch(
  map: KernelMap,
  command: number,
  packed: Packed,
): { readonly done: number; readonly errno: number } {
  const call = map.host.call.begin().u32(32, packed.count).u32(36, map.fd);
  call.data(16, packed.keys);
  if (command === BPF.mapUpdateBatch) call.data(24, packed.values);
  const result = call.run(command, 56);
  if (result >= 0) return { done: packed.count, errno: 0 };
  return { done: Math.min(call.read(32), packed.count), errno: -result };
}

/** Errors that say "no batch operations here": the caller then goes one by one. */
export function isUnsupported(errno: number): boolean {
  return errno === ENOTSUPP || errno === ERRNO.EINVAL;
}
