/** The worker's side of its block: finds or makes series, bounded in number, and lets idle ones go. */

import {
  type Block,
  FREE,
  LIVE,
  offsetOf,
  openBlock,
  RETIRED,
  RETIRING,
  slotsOf,
  writeName,
} from "./block.ts";
import {
  type LabelsOf,
  METRIC_KEYS,
  type MetricKey,
  type MetricsOf,
  OVERFLOW,
  specOf,
} from "./metrics.ts";
import {
  CounterHandle,
  GaugeHandle,
  HistogramHandle,
  type Rebind,
  type SeriesHandle,
} from "./series.ts";
import { type Payer, payerOf, Shares } from "./shares.ts";

/** A series without its numbers. */
interface Series {
  readonly key: MetricKey;
  /** Its description. */
  readonly name: string;
  /** Undefined: nobody, every worker has it. */
  readonly payer: Payer | undefined;
}

/** The rows of one size. */
interface Rows {
  readonly free: number[];
  readonly shares: Shares;
}

/** Handles that count as overflow and get a row of their own when there is room: more than these stay overflow. */
const MOST_WAITING = 4_096;

/** The series of one worker. Not for the hot path: ask once per connection or route and keep the handle. */
export class WorkerMetrics {
  readonly #block: Block;
  /** Handles by description of the series. */
  readonly #handles = new Map<string, SeriesHandle>();
  /** All handles on a row: the one in #handles first, then older ones of the same series. */
  readonly #holders: SeriesHandle[][];
  /** The series on each row. */
  readonly #series: Series[] = [];
  readonly #scalars: Rows;
  readonly #histograms: Rows;
  /** Rows taken from the free lists and not yet returned by main. */
  readonly #taken: Uint8Array;
  readonly #overflow = new Map<MetricKey, number>();
  /** Handles that found no room, by description of the series. */
  readonly #waiting = new Map<string, SeriesHandle>();
  readonly #overflowed: CounterHandle;

  /** `buffer` comes from createBlock() and was never used: throws otherwise (a worker that follows a dead one gets a new block). */
  constructor(buffer: SharedArrayBuffer) {
    this.#block = openBlock(buffer);
    const { scalars, histograms, states } = this.#block;
    if (states.some((state) => state !== FREE)) throw new Error("the block is already in use");
    this.#holders = Array.from({ length: scalars + histograms }, () => []);
    this.#taken = new Uint8Array(scalars + histograms);
    this.#scalars = rowsFrom(0, scalars);
    this.#histograms = rowsFrom(scalars, histograms);
    for (const key of METRIC_KEYS) this.#reserveOverflow(key);
    this.#overflowed = this.counter("seriesOverflowed", {});
  }

  /** The counter with these labels. */
  counter<K extends MetricsOf<"counter", "worker">>(key: K, labels: LabelsOf<K>): CounterHandle {
    const make = (rebind: Rebind) => new CounterHandle(this.#block, rebind);
    return this.#handle(key, valuesOf(key, labels), { kind: CounterHandle, make });
  }

  /** The gauge with these labels. */
  gauge<K extends MetricsOf<"gauge", "worker">>(key: K, labels: LabelsOf<K>): GaugeHandle {
    const make = (rebind: Rebind) => new GaugeHandle(this.#block, rebind);
    return this.#handle(key, valuesOf(key, labels), { kind: GaugeHandle, make });
  }

  /** The histogram with these labels. */
  histogram<K extends MetricsOf<"histogram", "worker">>(
    key: K,
    labels: LabelsOf<K>,
  ): HistogramHandle {
    const { buckets = [] } = specOf(key);
    const make = (rebind: Rebind) => new HistogramHandle(this.#block, rebind, buckets);
    return this.#handle(key, valuesOf(key, labels), { kind: HistogramHandle, make });
  }

  /** Takes a gauge out of the output. A later set() on the handle brings it back. */
  drop(gauge: GaugeHandle): void {
    const { row } = gauge;
    if (row < 0 || this.#isOverflow(row)) return;
    if (Atomics.compareExchange(this.#block.states, row, LIVE, RETIRED) === LIVE) this.#forget(row);
  }

  /** Lets go of series that main found idle and takes back freed rows. Call it every few seconds; microseconds each. */
  sweep(): void {
    const { states } = this.#block;
    let found = false;
    for (let row = 0; row < states.length; row++) {
      const state = Atomics.load(states, row);
      if (state === RETIRING) this.#letGo(row);
      else if (state === FREE && this.#taken[row] === 1) {
        this.#takeBack(row);
        found = true;
      }
    }
    if (found) this.#letTryAgain();
  }

  #handle<H extends SeriesHandle>(
    key: MetricKey,
    labels: readonly string[],
    type: {
      readonly kind: abstract new (...inputs: never[]) => H;
      readonly make: (rebind: Rebind) => H;
    },
  ): H {
    const name = nameOf(key, labels);
    const known = this.#handles.get(name) ?? this.#waiting.get(name);
    if (known instanceof type.kind) return known;
    const series = { key, name, payer: payerOf(labelsOf(key, labels)) };
    const handle: H = type.make(() => this.#bind(series, handle));
    handle.moveTo(this.#bind(series, handle));
    return handle;
  }

  /** The row of a series, found or made; the metric's overflow row when there is no room. */
  #bind(series: Series, handle: SeriesHandle): number {
    const { key, name } = series;
    const known = this.#handles.get(name)?.row ?? -1;
    const row = known >= 0 ? known : this.#register(series);
    if (row < 0) {
      if (this.#waiting.size < MOST_WAITING) this.#waiting.set(name, handle);
      return this.#overflowRow(key);
    }
    this.#holders[row]?.push(handle);
    if (known < 0) this.#handles.set(name, handle);
    return row;
  }

  /** The row of a new series; -1: there is none, its payer has had its share, or its description is too long. */
  #register(series: Series): number {
    const { free, shares } = this.#rowsFor(series.key);
    const row = free.at(-1);
    if (row === undefined || !writeName(this.#block, row, series.name)) return -1;
    if (series.payer !== undefined && !shares.take(series.payer)) return -1;
    free.pop();
    return this.#occupy(row, series);
  }

  #occupy(row: number, series: Series): number {
    this.#taken[row] = 1;
    this.#series[row] = series;
    const at = offsetOf(this.#block, row);
    this.#block.values.fill(0, at, at + slotsOf(this.#block, row));
    // Main reads the description only after it has seen this.
    Atomics.store(this.#block.states, row, LIVE);
    return row;
  }

  #rowsFor(key: MetricKey): Rows {
    return specOf(key).kind === "histogram" ? this.#histograms : this.#scalars;
  }

  /** There is room again: who counted as overflow looks for a row when it counts next. */
  #letTryAgain(): void {
    for (const handle of this.#waiting.values()) handle.moveTo(-1);
    this.#waiting.clear();
  }

  #overflowRow(key: MetricKey): number {
    this.#overflowed.add(1);
    return this.#overflow.get(key) ?? 0;
  }

  #isOverflow(row: number): boolean {
    return [...this.#overflow.values()].includes(row);
  }

  #reserveOverflow(key: MetricKey): void {
    const { source, labels } = specOf(key);
    if (source !== "worker" || labels.length === 0) return;
    const name = nameOf(
      key,
      labels.map(() => OVERFLOW),
    );
    const row = this.#register({ key, name, payer: undefined });
    if (row < 0) throw new RangeError("the block is too small for one series per metric");
    this.#overflow.set(key, row);
  }

  #letGo(row: number): void {
    this.#forget(row);
    Atomics.store(this.#block.states, row, RETIRED);
  }

  #takeBack(row: number): void {
    this.#forget(row);
    this.#taken[row] = 0;
    const { free, shares } = row < this.#block.scalars ? this.#scalars : this.#histograms;
    free.push(row);
    const payer = this.#series[row]?.payer;
    if (payer !== undefined) shares.giveBack(payer);
  }

  #forget(row: number): void {
    for (const handle of this.#holders[row] ?? []) handle.moveTo(-1);
    this.#holders[row] = [];
    const name = this.#series[row]?.name ?? "";
    if ((this.#handles.get(name)?.row ?? -1) < 0) this.#handles.delete(name);
  }
}

/** The row that is to be taken first is last. */
function rowsFrom(first: number, count: number): Rows {
  const free = Array.from({ length: count }, (_, i) => first + count - 1 - i);
  return { free, shares: new Shares(count) };
}

function labelsOf(key: MetricKey, values: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(specOf(key).labels.map((label, i) => [label, values[i] ?? ""]));
}

function valuesOf(key: MetricKey, labels: Readonly<Record<string, string>>): readonly string[] {
  return specOf(key).labels.map((label) => labels[label] ?? "");
}

function nameOf(key: MetricKey, labels: readonly string[]): string {
  return JSON.stringify([key, ...labels]);
}
