/** Parsed heads for reuse: a head is needed from a message's first byte to its forwarding, seldom longer. */

import { Head, type HeadLimits } from "../http/h1/head.ts";

/** Most spare heads kept; beyond it they are left to the garbage collector. */
const MAX_SPARE = 64;

/** The heads of one worker. */
export class HeadPool {
  readonly #limits: HeadLimits;
  readonly #spare: Head[] = [];
  #taken = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** How many are out. */
  get taken(): number {
    return this.#taken;
  }

  /** A head ready for a new message. */
  take(): Head {
    this.#taken++;
    return this.#spare.pop() ?? new Head(this.#limits);
  }

  /** Gives a head back, finished or not. Its offsets must not be used any more. */
  give(head: Head): void {
    head.reset();
    this.#taken--;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(head);
  }
}
