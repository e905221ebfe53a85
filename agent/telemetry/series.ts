/** What a worker holds of a series. Get it once per connection or route, keep it, count on it per request. */

import { type Block, offsetOf } from "./block.ts";

/** Gives a handle whose series was let go a row again. */
export type Rebind = () => number;

/** Where a series lives. Shared by the handles below; changed by WorkerMetrics only. */
abstract class Handle {
  protected readonly block: Block;
  protected readonly values: Float64Array<SharedArrayBuffer>;
  /** Index of the first number in `values`; -1 after the idle series was let go. */
  protected at = -1;
  protected readonly rebind: Rebind;
  #row = -1;

  constructor(block: Block, rebind: Rebind) {
    this.block = block;
    this.values = block.values;
    this.rebind = rebind;
  }

  /** The row in use, or -1. */
  get row(): number {
    return this.#row;
  }

  /** Moves the handle to a row; -1 takes it away. For WorkerMetrics only. */
  moveTo(row: number): void {
    this.#row = row;
    this.at = row < 0 ? -1 : offsetOf(this.block, row);
  }

  /** Makes sure that the handle has a row. */
  protected ensure(): void {
    if (this.at < 0) this.moveTo(this.rebind());
  }
}

/** A number that only rises. */
export class CounterHandle extends Handle {
  /** Adds `amount`, at least 0. One addition in shared memory: cheap enough for every request. */
  add(amount: number): void {
    this.ensure();
    this.values[this.at] = (this.values[this.at] ?? 0) + amount;
  }
}

/** A number that rises and falls. It never counts as idle: WorkerMetrics.drop() it when what it measures is gone. */
export class GaugeHandle extends Handle {
  /** Sets the value. */
  set(value: number): void {
    this.ensure();
    this.values[this.at] = value;
  }
}

/** A distribution. */
export class HistogramHandle extends Handle {
  readonly #bounds: Float64Array;

  constructor(block: Block, rebind: Rebind, bounds: readonly number[]) {
    super(block, rebind);
    this.#bounds = Float64Array.from(bounds);
  }

  /** Notes one observation in the metric's base unit; NaN and negative ones are ignored. */
  observe(value: number): void {
    if (!(value >= 0)) return;
    this.ensure();
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
    const sum = this.at + bounds.length + 1;
    this.values[this.at + bucket] = (this.values[this.at + bucket] ?? 0) + 1;
    this.values[sum] = (this.values[sum] ?? 0) + value;
  }
}

/** Any handle. */
export type SeriesHandle = CounterHandle | GaugeHandle | HistogramHandle;
