/** How much of the main thread pages may cost: many who ask get what was made lately. */

/** What may be spent at once, milliseconds. */
const SAVED_MS = 250;
/** What is earned in a millisecond: pages may have a twentieth of the thread. */
const SHARE = 0.05;

/** Milliseconds to spend on one page. */
export class Budget {
  readonly #clock: () => number;
  #left = SAVED_MS;
  #at: number;

  /** `clock`: milliseconds, of which only differences matter. */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.#at = clock();
  }

  /** Whether the page may be made anew. */
  get affords(): boolean {
    const now = this.#clock();
    this.#left = Math.min(SAVED_MS, this.#left + (now - this.#at) * SHARE);
    this.#at = now;
    return this.#left > 0;
  }

  /** What was made had this price. */
  spend(milliseconds: number): void {
    this.#left -= milliseconds;
  }
}
