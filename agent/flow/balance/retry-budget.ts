/**
 * How many retries a service port may cost: a share of its requests plus a few per second, so that retries
 * can't multiply an overload. Two buckets, both bounded, so that a quiet hour does not pay for a storm.
 */

import type { BalanceSettings, Clock } from "./settings.ts";

/** Most retries saved up from past requests (with a ratio of 0.2: those of 500 requests). */
const MAX_SAVED = 100;

/** The budget of one service port in one worker. */
export class RetryBudget {
  readonly #clock: Clock;
  readonly #ratio: number;
  readonly #perSecond: number;
  #fromRequests = 0;
  #fromTime: number;
  #refilledAt: number;

  constructor(settings: Pick<BalanceSettings, "retryRatio" | "retriesPerSecond">, clock: Clock) {
    this.#clock = clock;
    this.#ratio = settings.retryRatio;
    this.#perSecond = settings.retriesPerSecond;
    this.#fromTime = settings.retriesPerSecond;
    this.#refilledAt = clock();
  }

  /** Notes a new request (not a retry). */
  deposit(): void {
    if (this.#fromRequests < MAX_SAVED)
      this.#fromRequests = Math.min(MAX_SAVED, this.#fromRequests + this.#ratio);
  }

  /** Takes one retry out of the budget; false when there is none. */
  withdraw(): boolean {
    this.#refill();
    if (this.#fromTime >= 1) {
      this.#fromTime--;
      return true;
    }
    if (this.#fromRequests < 1) return false;
    this.#fromRequests--;
    return true;
  }

  #refill(): void {
    const now = this.#clock();
    const earned = ((now - this.#refilledAt) / 1_000) * this.#perSecond;
    this.#fromTime = Math.min(this.#perSecond, this.#fromTime + Math.max(0, earned));
    this.#refilledAt = now;
  }
}
