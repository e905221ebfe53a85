/**
 * The shared memory of one worker's series. Rows below `scalars` hold one number (counter, gauge); rows from
 * there on hold a histogram: one number per bucket (not cumulative), +Inf last, then the sum.
 *
 * A row's state says who may do what; each step has one owner, so there are no locks:
 *   FREE --worker: registers--> LIVE --main: idle--> RETIRING --worker: lets go--> RETIRED --main: folds--> FREE
 * A worker drops a gauge by LIVE -> RETIRED directly. Only the worker writes numbers of LIVE and RETIRING rows,
 * only main those of RETIRED rows. Aligned doubles are written whole on the 64-bit machines we support.
 */

/** Nobody's. */
export const FREE = 0;
/** In use by the worker. */
export const LIVE = 1;
/** Main asks the worker to let go of an idle series. */
export const RETIRING = 2;
/** The worker has let go; main folds the numbers and frees the row. */
export const RETIRED = 3;

/** Numbers per histogram row: MAX_BUCKETS bounds, +Inf, sum. */
export const HISTOGRAM_SLOTS = 19;

/** Longest description of a series (metric and label values as JSON), bytes. */
const NAME_BYTES = 1_024;

const HEADER_BYTES = 16;

/** How many series a worker may have. */
export interface BlockSize {
  /** Counters and gauges. */
  readonly scalars: number;
  readonly histograms: number;
}

/**
 * A pair of workloads has 3 histograms and up to 26 numbers for each side that counts it: room for 315 of them. 10.3 MB of
 * address space a worker, of which only touched pages cost memory.
 */
export const DEFAULT_BLOCK_SIZE: BlockSize = { scalars: 8_192, histograms: 1_536 };

/** Views of a block. */
export interface Block extends BlockSize {
  readonly buffer: SharedArrayBuffer;
  readonly values: Float64Array<SharedArrayBuffer>;
  /** State of each row; read and written with Atomics. */
  readonly states: Int32Array<SharedArrayBuffer>;
  readonly nameLengths: Int32Array<SharedArrayBuffer>;
  readonly names: Uint8Array<SharedArrayBuffer>;
}

/** Makes the memory of one worker; to be sent to it as `workerData`. Throws a RangeError on sizes below 1. */
export function createBlock(size: BlockSize = DEFAULT_BLOCK_SIZE): SharedArrayBuffer {
  if (size.scalars < 1 || size.histograms < 1) throw new RangeError("a block needs rows");
  const rows = size.scalars + size.histograms;
  const doubles = size.scalars + size.histograms * HISTOGRAM_SLOTS;
  const buffer = new SharedArrayBuffer(HEADER_BYTES + doubles * 8 + rows * (8 + NAME_BYTES));
  new Int32Array(buffer, 0, 2).set([size.scalars, size.histograms]);
  return buffer;
}

/** The views of a block's memory, on either side. */
export function openBlock(buffer: SharedArrayBuffer): Block {
  const [scalars = 0, histograms = 0] = new Int32Array(buffer, 0, 2);
  const rows = scalars + histograms;
  const doubles = scalars + histograms * HISTOGRAM_SLOTS;
  let at = HEADER_BYTES;
  const values = new Float64Array(buffer, at, doubles);
  at += doubles * 8;
  const states = new Int32Array(buffer, at, rows);
  at += rows * 4;
  const nameLengths = new Int32Array(buffer, at, rows);
  at += rows * 4;
  const names = new Uint8Array(buffer, at, rows * NAME_BYTES);
  return { scalars, histograms, buffer, values, states, nameLengths, names };
}

/** Where the numbers of a row begin in `values`. */
export function offsetOf(block: BlockSize, row: number): number {
  return row < block.scalars ? row : block.scalars + (row - block.scalars) * HISTOGRAM_SLOTS;
}

/** How many numbers a row has. */
export function slotsOf(block: BlockSize, row: number): number {
  return row < block.scalars ? 1 : HISTOGRAM_SLOTS;
}

/** Writes a row's description; false when it is too long. The row must be FREE. */
export function writeName(block: Block, row: number, name: string): boolean {
  const room = block.names.subarray(row * NAME_BYTES, (row + 1) * NAME_BYTES);
  const { read, written } = new TextEncoder().encodeInto(name, room);
  if (read < name.length) return false;
  block.nameLengths[row] = written;
  return true;
}

/** Reads a row's description. */
export function readName(block: Block, row: number): string {
  const start = row * NAME_BYTES;
  // A copy: TextDecoder may refuse shared memory.
  return new TextDecoder().decode(block.names.slice(start, start + (block.nameLengths[row] ?? 0)));
}
