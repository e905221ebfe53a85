/**
 * When the agent looks again who listens in a pod. It never has to: the kernel's programs follow who begins and
 * ends. But what they could not see (a socket from before, a process outside the agent's cgroup) shows up as a
 * connection that went wrong, and then one look sets it right.
 */

import type { ListeningState } from "../kernel/mesh-maps.ts";

/** After a look that found nothing new, refusals alone bring the next one this much later, twice as long each time. */
const FIRST_WAIT_MS = 1_000;
const LAST_WAIT_MS = 4_000;

/** The part of a pod's state that asks for a look. */
type Asking = Pick<ListeningState, "refused" | "stale" | "full">;

/** One pod's. Times are milliseconds of one clock. */
export class ListenerReview {
  #seen: Asking = { refused: 0, stale: 0, full: 0 };
  #waitMs = 0;
  #notBefore = 0;

  /** Whether to look now. */
  isDue(state: Asking, nowMs: number): boolean {
    if (state.stale !== this.#seen.stale || state.full > this.#seen.full) return true;
    const asked = state.refused !== this.#seen.refused || state.full > 0;
    return asked && nowMs >= this.#notBefore;
  }

  /** It was looked: `missed` = somebody listened of whom nothing was known. */
  looked(state: Asking, missed: boolean, nowMs: number): void {
    this.#seen = state;
    this.#waitMs = missed ? 0 : Math.min(Math.max(FIRST_WAIT_MS, this.#waitMs * 2), LAST_WAIT_MS);
    this.#notBefore = nowMs + this.#waitMs;
  }
}
