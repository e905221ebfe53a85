/** What may be sent again of a request: its head and payload, as long as they are whole. */

import type { Head } from "../../http/h1/head.ts";
import { copy } from "../../http/h1/octets.ts";
import type { Piece } from "../../http/message.ts";
import type { HeadPool } from "../../transport/head-pool.ts";
import type { HeadSlots } from "../../transport/head-slots.ts";
import { HeldBytes, type Holder } from "../../transport/held-bytes.ts";

/** Most bytes of head and payload that are kept: one read and what was held before it. */
const MAX_KEPT_BYTES = 320 * 1024;

const NOTHING: Uint8Array = new Uint8Array(0);

/** One exchange's request: in a slot of the worker's memory when it is short, else in memory of its own. */
export class KeptRequest {
  readonly #slots: HeadSlots;
  readonly #heads: HeadPool;
  readonly #holder: Holder;
  #head: Head | undefined;
  #slot: Uint8Array | undefined;
  #held: HeldBytes | undefined;
  #bytes: Uint8Array = NOTHING;
  #bodyStart = 0;
  #length = 0;

  /** `holder`: counts what fits no slot. */
  constructor(slots: HeadSlots, heads: HeadPool, holder: Holder) {
    this.#slots = slots;
    this.#heads = heads;
    this.#holder = holder;
  }

  /** The head, which is kept together with what came of the body; undefined when nothing is. */
  get head(): Head | undefined {
    return this.#head;
  }

  /** Whether something is kept. */
  get whole(): boolean {
    return this.#head !== undefined;
  }

  /** What came of the body. */
  get body(): Piece {
    return { buffer: this.#bytes, start: this.#bodyStart, end: this.#length };
  }

  /**
   * Keeps a head, which is this object's to give back from now on, with the first bytes of its body. False when its holder
   * may not hold as much: then nothing is kept, and the head is the caller's still.
   */
  keep(head: Head, body: Piece): boolean {
    this.forget();
    const headBytes = head.end - head.origin;
    const bodyBytes = body.end - body.start;
    const slot = this.#slots.take(headBytes + bodyBytes);
    if (slot !== undefined) {
      copy(head.bytes, head.origin, head.end, slot, 0);
      copy(body.buffer, body.start, body.end, slot, headBytes);
      this.#slot = slot;
      this.#bytes = slot;
    } else {
      this.#held ??= new HeldBytes(this.#holder);
      if (
        !this.#held.replace(head.bytes, head.origin, head.end) ||
        !this.#held.append(body.buffer, body.start, body.end)
      ) {
        this.#held.clear();
        return false;
      }
      this.#bytes = this.#held.bytes;
    }
    this.#bodyStart = headBytes;
    this.#length = headBytes + bodyBytes;
    head.moveTo(this.#bytes, 0);
    this.#head = head;
    return true;
  }

  /** Keeps more of the body; false when that is too much: then nothing is kept any more. */
  append(buffer: Uint8Array, start: number, end: number): boolean {
    const head = this.#head;
    if (head === undefined) return false;
    this.#held ??= new HeldBytes(this.#holder);
    const held = this.#held;
    const whole =
      this.#length + end - start <= MAX_KEPT_BYTES &&
      (this.#slot === undefined || held.replace(this.#slot, 0, this.#length)) &&
      held.append(buffer, start, end);
    if (!whole) {
      this.forget();
      return false;
    }
    if (this.#slot !== undefined) this.#slots.give(this.#slot);
    this.#slot = undefined;
    this.#bytes = held.bytes;
    this.#length = held.length;
    head.moveTo(this.#bytes, 0);
    return true;
  }

  /** Keeps nothing any more. */
  forget(): void {
    if (this.#head === undefined) return;
    this.#heads.give(this.#head);
    this.#head = undefined;
    this.#length = 0;
    this.#bytes = NOTHING;
    if (this.#slot !== undefined) this.#slots.give(this.#slot);
    this.#slot = undefined;
    this.#held?.clear();
  }
}
