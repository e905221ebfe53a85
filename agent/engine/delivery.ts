/** How long an ending channel waits for its peer: a slow reader gets its time, one that takes nothing does not. */

/** Milliseconds a closed channel waits for the peer's FIN, discarding what comes. */
export const LINGER_MS: number = 2000;

/** Milliseconds in which a peer must take something of what is left for it: at an orderly end, and before a passed-on reset. */
export const CLOSE_STALL_MS: number = 10_000;
export const RESET_STALL_MS: number = 1000;

/** First and longest pause between two looks, milliseconds; doubling keeps many slow readers cheap and tells none late. */
const FIRST_LOOK_MS = 20;
const LONGEST_LOOK_MS = 640;

/** What look() says when nothing is worth waiting for: the peer has everything, or takes nothing any more. */
export const OVER: number = -1;

/** What is still on its way to one peer. Reads no clock and no socket: both are told to it. */
export class Delivery {
  readonly #patienceMs: number;
  #pauseMs = FIRST_LOOK_MS;
  #leastBytes = Number.POSITIVE_INFINITY;
  #shrankAtMs = 0;

  /** `patienceMs`: how long the peer may take nothing. */
  constructor(patienceMs: number) {
    this.#patienceMs = patienceMs;
  }

  /**
   * Milliseconds until it is worth looking again, or OVER.
   * `unsentBytes` = what the peer has not acknowledged, `nowMs` = the loop's clock.
   */
  look(unsentBytes: number, nowMs: number): number {
    if (unsentBytes === 0) return OVER;
    if (unsentBytes < this.#leastBytes) {
      this.#leastBytes = unsentBytes;
      this.#shrankAtMs = nowMs;
    } else if (nowMs - this.#shrankAtMs >= this.#patienceMs) return OVER;
    const pauseMs = this.#pauseMs;
    this.#pauseMs = Math.min(2 * pauseMs, LONGEST_LOOK_MS);
    return pauseMs;
  }
}
