/** How long to wait before the next attempt: doubling with jitter, so that agents don't come back in step. */

/** First wait: a control that restarts is back within a few of these. */
const FIRST_MS = 100;
/** Longest wait: what a recovered control may cost in staleness. */
const LONGEST_MS = 10_000;

/** Counts failures in a row. */
export class Backoff {
  #failures = 0;
  readonly #random: () => number;

  /** `random` gives numbers from 0 to 1, as Math.random. */
  constructor(random: () => number) {
    this.#random = random;
  }

  /** Milliseconds to wait after one more failure: between half and the whole of the doubled time. */
  next(): number {
    const whole = Math.min(FIRST_MS * 2 ** this.#failures, LONGEST_MS);
    // More doublings than this change nothing.
    this.#failures = Math.min(this.#failures + 1, 16);
    return Math.round(whole * (0.5 + this.#random() / 2));
  }

  /** Something worked: the next failure starts from the first wait. */
  reset(): void {
    this.#failures = 0;
  }
}
