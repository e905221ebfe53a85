/** Says who was refused without letting a stranger fill the log. */

/** The same refusal is told again after this long. */
const REPEAT_MS = 60_000;
/** Refusals told within REPEAT_MS; beyond it they are only counted. */
const MOST = 100;

/** Decides which refusals are worth a line. */
export class RefusalLog {
  readonly #told = new Map<string, number>();
  readonly #now: () => number;
  #untold = 0;

  /** `now` gives milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Whether to tell of this refusal; with it, how many were not told since the last that was. */
  take(node: string, problem: string): { readonly untold: number } | undefined {
    const now = this.#now();
    for (const [key, at] of this.#told) {
      if (now - at < REPEAT_MS) break;
      this.#told.delete(key);
    }
    const key = `${node} ${problem}`;
    if (this.#told.has(key) || this.#told.size >= MOST) {
      this.#untold++;
      return undefined;
    }
    this.#told.set(key, now);
    const untold = this.#untold;
    this.#untold = 0;
    return { untold };
  }
}
