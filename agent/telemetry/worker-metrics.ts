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

/** The series of one worker. Not for the hot path: ask once per connection or route and keep the handle. */
export class WorkerMetrics {
  readonly #block: Block;
  /** Handles by description of the series. */
  readonly #handles = new Map<string, SeriesHandle>();
  /** All handles on a row: the one in #handles first, then older ones of the same series. */
  readonly #holders: SeriesHandle[][];
  /** Description of the series on each row. */
  readonly #names: string[] = [];
  readonly #freeScalars: number[] = [];
  readonly #freeHistograms: number[] = [];
  /** Rows taken from the free lists and not yet returned by main. */
  readonly #taken: Uint8Array;
  readonly #overflow = new Map<MetricKey, number>();
  readonly #overflowed: CounterHandle;

  /** `buffer` comes from createBlock() and was never used: throws otherwise (a worker that follows a dead one gets a new block). */
  constructor(buffer: SharedArrayBuffer) {
    this.#block = openBlock(buffer);
    const { scalars, histograms, states } = this.#block;
    if (states.some((state) => state !== FREE)) throw new Error("the block is already in use");
    this.#holders = Array.from({ length: scalars + histograms }, () => []);
    this.#taken = new Uint8Array(scalars + histograms);
    for (let row = scalars - 1; row >= 0; row--) this.#freeScalars.push(row);
    for (let row = scalars + histograms - 1; row >= scalars; row--) this.#freeHistograms.push(row);
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
    for (let row = 0; row < states.length; row++) {
      const state = Atomics.load(states, row);
      if (state === RETIRING) this.#letGo(row);
      else if (state === FREE && this.#taken[row] === 1) this.#takeBack(row);
    }
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
    const known = this.#handles.get(name);
    if (known instanceof type.kind) return known;
    const handle: H = type.make(() => this.#bind(key, name, handle));
    handle.moveTo(this.#bind(key, name, handle));
    return handle;
  }

  /** The row of a series, found or made; the metric's overflow row when there is no room. */
  #bind(key: MetricKey, name: string, handle: SeriesHandle): number {
    const known = this.#handles.get(name)?.row ?? -1;
    const row = known >= 0 ? known : this.#register(key, name);
    if (row < 0) return this.#overflowRow(key);
    this.#holders[row]?.push(handle);
    if (known < 0) this.#handles.set(name, handle);
    return row;
  }

  #register(key: MetricKey, name: string): number {
    const free = specOf(key).kind === "histogram" ? this.#freeHistograms : this.#freeScalars;
    const row = free.at(-1);
    if (row === undefined || !writeName(this.#block, row, name)) return -1;
    free.pop();
    this.#taken[row] = 1;
    this.#names[row] = name;
    const at = offsetOf(this.#block, row);
    this.#block.values.fill(0, at, at + slotsOf(this.#block, row));
    // Main reads the description only after it has seen this.
    Atomics.store(this.#block.states, row, LIVE);
    return row;
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
    const row = this.#register(
      key,
      nameOf(
        key,
        labels.map(() => OVERFLOW),
      ),
    );
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
    (row < this.#block.scalars ? this.#freeScalars : this.#freeHistograms).push(row);
  }

  #forget(row: number): void {
    for (const handle of this.#holders[row] ?? []) handle.moveTo(-1);
    this.#holders[row] = [];
    const name = this.#names[row] ?? "";
    if ((this.#handles.get(name)?.row ?? -1) < 0) this.#handles.delete(name);
  }
}

function valuesOf(key: MetricKey, labels: Readonly<Record<string, string>>): readonly string[] {
  return specOf(key).labels.map((label) => labels[label] ?? "");
}

function nameOf(key: MetricKey, labels: readonly string[]): string {
  return JSON.stringify([key, ...labels]);
}
