import { BPF, ERRNO, MAP_TYPE } from "../sys/constants.ts";
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

/** Copies every entry of a hash map by batches; undefined when this kind of map or kernel has none. */
export function readBatches(map: KernelMap): Packed[] | undefined {
  // Other maps walk by key, and start over when the key that they stand at is deleted.
  const { type, keySize, valueSize } = map.definition;
  if (type !== MAP_TYPE.hash && type !== MAP_TYPE.lruHash) return undefined;
  const pages: Packed[] = [];
  let from: Uint8Array | undefined;
  for (let room = BATCH; ; ) {
    const call = map.host.call.begin().u32(32, room).u32(36, map.fd);
    if (from !== undefined) call.data(0, from);
    const cursor = call.room(Math.max(4, keySize));
    const keys = call.room(room * keySize);
    const values = call.room(room * valueSize);
    call.u64(8, cursor.address).u64(16, keys.address).u64(24, values.address);
    const result = call.run(BPF.mapLookupBatch, 56);
    if (result === -ERRNO.ENOSPC) {
      room *= 2; // a bucket with more entries than asked for
      continue;
    }
    if (isUnsupported(-result)) return undefined;
    if (result < 0 && result !== -ERRNO.ENOENT) throw map.error("read", -result);
    const count = Math.min(call.read(32), room);
    pages.push({ count, keys: keys.bytes.slice(), values: values.bytes.slice() });
    if (result < 0) return pages;
    from = cursor.bytes.slice();
  }
}

/** Errors that say "no batch operations here": the caller then goes one by one. */
export function isUnsupported(errno: number): boolean {
  return errno === ENOTSUPP || errno === ERRNO.EINVAL;
}
