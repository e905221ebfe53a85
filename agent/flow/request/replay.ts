/** A request as it was sent, kept as long as it may have to be sent again. */

import type { Head } from "../../http/h1/head.ts";
import { copy } from "../../http/h1/octets.ts";
import { headRoom, type Rewrite, writeHead } from "../../http/h1/write-head.ts";
import type { HeadSlots } from "../../transport/head-slots.ts";
import { HeldBytes } from "../../transport/held-bytes.ts";

const NOTHING: Uint8Array = new Uint8Array(0);

/** One exchange's request: in a slot of the worker's memory when it is short, else in memory of its own. */
export class Replay {
  /** The request is in `[0, length)`. */
  bytes: Uint8Array = NOTHING;
  length = 0;
  readonly #slots: HeadSlots;
  #slot: Uint8Array | undefined;
  #held: HeldBytes | undefined;

  constructor(slots: HeadSlots) {
    this.#slots = slots;
  }

  /** Writes head and body into a slot; false when they do not fit and nothing was done. */
  write(head: Head, how: Rewrite, body: Uint8Array, start: number, end: number): boolean {
    this.clear();
    const slot = this.#slots.take(headRoom(head, how) + end - start);
    if (slot === undefined) return false;
    this.#slot = slot;
    this.bytes = slot;
    this.length = copy(body, start, end, slot, writeHead(head, how, slot));
    return true;
  }

  /** Keeps what was written elsewhere: `[0, headEnd)` of `head`, then `[start, end)` of `body`. */
  keep(head: Uint8Array, headEnd: number, body: Uint8Array, start: number, end: number): void {
    this.clear();
    const held = this.#held ?? new HeldBytes();
    this.#held = held;
    held.replace(head, 0, headEnd);
    held.append(body, start, end);
    this.bytes = held.bytes;
    this.length = held.length;
  }

  /** Forgets the request. */
  clear(): void {
    if (this.length === 0) return;
    this.length = 0;
    this.bytes = NOTHING;
    if (this.#slot !== undefined) this.#slots.give(this.#slot);
    this.#slot = undefined;
    this.#held?.clear();
  }
}
