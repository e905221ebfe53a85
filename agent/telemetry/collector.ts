/**
 * Main's side of all workers' blocks: sums them per series, keeps the counts of workers that died, and asks
 * workers to let go of series that nothing has changed for a while.
 */

import {
  type Block,
  FREE,
  LIVE,
  offsetOf,
  openBlock,
  RETIRED,
  RETIRING,
  readName,
  slotsOf,
} from "./block.ts";
import { METRIC_KEYS, type MetricKey, OVERFLOW, specOf } from "./metrics.ts";

/** How long a counter or histogram that nobody changes stays in the output, milliseconds. */
export const DEFAULT_IDLE_MS = 900_000;

/** One series summed over all workers. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  /** One number, or for a histogram: count per bucket (not cumulative), +Inf, sum (further slots unused). */
  readonly values: Float64Array;
  /** Milliseconds since it was first seen; of an overflow since it first counted. */
  readonly ageMs: number;
}

/** The sum of a series while it is being made. */
interface Total {
  readonly metric: MetricKey;
  readonly labels: Readonly<Record<string, string>>;
  /** Overflow and label-less series are never asked to go. */
  readonly permanent: boolean;
  /** What rows that are gone had counted. */
  readonly retired: Float64Array;
  readonly sum: Float64Array;
  rows: number;
  last: number;
  changedAt: number;
  /** When it was first shown; undefined before. */
  bornAt: number | undefined;
}

interface Source {
  readonly block: Block;
  /** Series of each row that is not free. */
  readonly totals: (Total | undefined)[];
}

/** Inputs of a Collector. */
export interface CollectorInputs {
  /** Milliseconds; only differences matter. */
  readonly clock: () => number;
  /** See DEFAULT_IDLE_MS. */
  readonly idleMs?: number;
}

/** Sums the workers' blocks. */
export class Collector {
  readonly #inputs: CollectorInputs;
  readonly #idleMs: number;
  readonly #sources = new Map<SharedArrayBuffer, Source>();
  readonly #totals = new Map<string, Total>();

  constructor(inputs: CollectorInputs) {
    this.#inputs = inputs;
    this.#idleMs = inputs.idleMs ?? DEFAULT_IDLE_MS;
  }

  /** Counts a worker in, with the memory given to it. */
  attach(buffer: SharedArrayBuffer): void {
    if (!this.#sources.has(buffer))
      this.#sources.set(buffer, { block: openBlock(buffer), totals: [] });
  }

  /** A worker is gone for good (its thread has ended): its counts are kept, its gauges end. */
  detach(buffer: SharedArrayBuffer): void {
    const source = this.#sources.get(buffer);
    if (source === undefined) return;
    this.#sources.delete(buffer);
    for (const { row, total } of this.#rows(source)) fold(source.block, row, total);
  }

  /**
   * All series now, by metric. Also does the housekeeping of idle series, so call it every minute or so even
   * when nobody scrapes.
   */
  collect(): ReadonlyMap<MetricKey, readonly Sample[]> {
    for (const total of this.#totals.values()) {
      total.sum.fill(0);
      total.rows = 0;
    }
    for (const source of this.#sources.values()) this.#add(source);
    const samples = new Map<MetricKey, Sample[]>(METRIC_KEYS.map((key) => [key, []]));
    const idle = new Set<Total>();
    for (const [name, total] of this.#totals) {
      if (this.#isVisible(total)) samples.get(total.metric)?.push(this.#sampleOf(total));
      else if (total.rows === 0) this.#totals.delete(name);
      else if (!total.permanent) idle.add(total);
    }
    if (idle.size > 0) for (const source of this.#sources.values()) retire(source, idle);
    return samples;
  }

  #add(source: Source): void {
    const { block, totals } = source;
    for (const { row, total } of this.#rows(source)) {
      if (Atomics.load(block.states, row) === RETIRED) {
        fold(block, row, total);
        totals[row] = undefined;
        Atomics.store(block.states, row, FREE);
        continue;
      }
      total.rows++;
      addRow(total.sum, block, row);
    }
  }

  /** Decides whether a series is shown, noting whether it changed. */
  #isVisible(total: Total): boolean {
    const { kind } = specOf(total.metric);
    if (kind === "gauge") return total.rows > 0 && !total.permanent;
    const now = this.#inputs.clock();
    const count = observations(total);
    if (count !== total.last) {
      total.last = count;
      total.changedAt = now;
    }
    if (total.permanent) return count > 0 || Object.keys(total.labels).length === 0;
    return now - total.changedAt < this.#idleMs;
  }

  #sampleOf(total: Total): Sample {
    const now = this.#inputs.clock();
    total.bornAt ??= now;
    return { labels: total.labels, values: valuesOf(total), ageMs: now - total.bornAt };
  }

  *#rows(source: Source): Generator<{ readonly row: number; readonly total: Total }> {
    const { block, totals } = source;
    for (let row = 0; row < block.states.length; row++) {
      if (Atomics.load(block.states, row) === FREE) continue;
      const total = totals[row] ?? this.#totalOf(readName(block, row), slotsOf(block, row));
      totals[row] = total;
      yield { row, total };
    }
  }

  #totalOf(name: string, slots: number): Total {
    const known = this.#totals.get(name);
    if (known !== undefined) return known;
    const { metric, labels } = parseName(name);
    const total: Total = {
      metric,
      labels,
      permanent: Object.values(labels).every((value) => value === OVERFLOW),
      retired: new Float64Array(slots),
      sum: new Float64Array(slots),
      rows: 0,
      last: Number.NaN,
      changedAt: this.#inputs.clock(),
      bornAt: undefined,
    };
    this.#totals.set(name, total);
    return total;
  }
}

/** Moves a row's counts to what is kept. Gauges have nothing worth keeping. */
function fold(block: Block, row: number, total: Total): void {
  if (specOf(total.metric).kind !== "gauge") addRow(total.retired, block, row);
}

function addRow(into: Float64Array, block: Block, row: number): void {
  const at = offsetOf(block, row);
  for (let i = 0; i < into.length; i++) into[i] = (into[i] ?? 0) + (block.values[at + i] ?? 0);
}

function retire(source: Source, idle: ReadonlySet<Total>): void {
  source.totals.forEach((total, row) => {
    if (total !== undefined && idle.has(total))
      Atomics.compareExchange(source.block.states, row, LIVE, RETIRING);
  });
}

/** The count of a histogram, the value of a counter. */
function observations(total: Total): number {
  const { buckets } = specOf(total.metric);
  const slots = buckets === undefined ? 1 : buckets.length + 1;
  let count = 0;
  for (let i = 0; i < slots; i++) count += (total.sum[i] ?? 0) + (total.retired[i] ?? 0);
  return count;
}

function valuesOf({ metric, sum, retired, rows }: Total): Float64Array {
  // A gauge of several workers is their mean: each sees the same endpoints with its own eyes.
  if (specOf(metric).kind === "gauge") return sum.map((one) => one / rows);
  return sum.map((one, i) => one + (retired[i] ?? 0));
}

function parseName(name: string): Pick<Total, "metric" | "labels"> {
  const parts: unknown = JSON.parse(name);
  const [key, ...values] = Array.isArray(parts) ? parts.map(String) : [];
  const metric = METRIC_KEYS.find((one) => one === key);
  if (metric === undefined) throw new TypeError(`a worker counts an unknown metric: ${key}`);
  const labels = Object.fromEntries(
    specOf(metric).labels.map((label, i) => [label, values[i] ?? ""]),
  );
  return { metric, labels };
}
