/** How a worker leaves: what it carries ends by itself, then, at the deadline, by force. */

import { refuse } from "#model/refusal.ts";
import type { Loop } from "../engine/loop.ts";
import { Timer } from "../engine/timers.ts";
import { DONE, type Outcome, type Reply } from "./commands.ts";
import { CUT_MS, QUIET_MS, type ServedPods } from "./served-pods.ts";

/** Where the departure stands. */
type DepartureState =
  | { readonly kind: "staying" }
  /** Answered when nothing was carried for a while. */
  | { readonly kind: "draining"; readonly replies: readonly Reply[] }
  /** Answered as soon as nothing is carried, at the latest when the deadline fires. */
  | { readonly kind: "cutting"; readonly replies: readonly Reply[] };

/** The departure of one worker. */
export class Departure {
  readonly #loop: Loop;
  readonly #pods: ServedPods;
  readonly #quiet: Timer = new Timer({ onTimer: () => this.#settle() });
  readonly #deadline: Timer = new Timer({ onTimer: () => this.#giveUp() });
  #state: DepartureState = { kind: "staying" };

  constructor(loop: Loop, pods: ServedPods) {
    this.#loop = loop;
    this.#pods = pods;
  }

  /** Whether it has begun: what is accepted in the last moment is served, but only once. */
  get begun(): boolean {
    return this.#state.kind !== "staying";
  }

  /** Ends idle connections, lets others be served once. */
  drain(reply: Reply): Outcome {
    this.#state = { kind: "draining", replies: [...this.#replies(), reply] };
    for (const pod of this.#pods.pods()) for (const one of [...pod.carried]) one.drain();
    this.idle();
    return "later";
  }

  /** Cuts what is left, counted as such. */
  cut(reply: Reply): Outcome {
    this.#state = { kind: "cutting", replies: [...this.#replies(), reply] };
    const why = refuse("drain-deadline", "the agent ended before the connection did");
    for (const pod of this.#pods.pods()) for (const one of [...pod.carried]) one.cut(why);
    this.#loop.arm(this.#deadline, CUT_MS);
    this.idle();
    return "later";
  }

  /** Something may have become idle. */
  idle(): void {
    const { kind } = this.#state;
    // Also a cut waits for the next turn: what it told its channels is sent first.
    if (kind !== "staying") this.#loop.arm(this.#quiet, kind === "draining" ? QUIET_MS : 0);
  }

  #settle(): void {
    if (this.#pods.carried > 0) return;
    this.#loop.cancel(this.#deadline);
    for (const reply of this.#replies()) reply.give(DONE);
  }

  #giveUp(): void {
    const problem = `${this.#pods.carried} connections did not end when they were cut`;
    for (const reply of this.#replies()) reply.give({ kind: "failed", problem });
  }

  #replies(): readonly Reply[] {
    return this.#state.kind === "staying" ? [] : this.#state.replies;
  }
}
