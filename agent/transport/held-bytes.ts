/** Bytes of an unfinished head or request, kept across reads. Grows by doubling; all memory goes when it is emptied. */

const EMPTY: Uint8Array = new Uint8Array(0);

/** A read of bytes as short as most heads needs no second piece of memory. */
const LEAST_BYTES = 256;

/** For whose sake bytes are held: a Channel, which ends when they are too many. */
export interface Holder {
  /** Counts bytes that are held from now on; false when they may not be. */
  hold(bytes: number): boolean;
  /** They are held no more. */
  release(bytes: number): void;
}

/** A growable byte buffer, counted at its holder. Who is done with it must clear it. */
export class HeldBytes {
  bytes: Uint8Array = EMPTY;
  length = 0;
  readonly #holder: Holder;

  constructor(holder: Holder) {
    this.#holder = holder;
  }

  /**
   * Adds `[start, end)` of `from` behind what is held. `from` may be the held buffer itself. False, and nothing is added,
   * when the holder may not hold as much: it has ended then.
   */
  append(from: Uint8Array, start: number, end: number): boolean {
    const size = end - start;
    if (!this.#reserve(this.length + size)) return false;
    this.bytes.set(from.subarray(start, end), this.length);
    this.length += size;
    return true;
  }

  /** Holds exactly `[start, end)` of `from`, which may be the held buffer itself; false as append(). */
  replace(from: Uint8Array, start: number, end: number): boolean {
    if (from !== this.bytes) {
      this.length = 0;
      return this.append(from, start, end);
    }
    if (start > 0) this.bytes.copyWithin(0, start, end);
    this.length = end - start;
    return true;
  }

  /** Empties it. */
  clear(): void {
    this.length = 0;
    if (this.bytes === EMPTY) return;
    this.#holder.release(this.bytes.length);
    this.bytes = EMPTY;
  }

  #reserve(size: number): boolean {
    const room = this.bytes.length;
    if (size <= room) return true;
    const grown = Math.max(LEAST_BYTES, size, room * 2);
    if (!this.#holder.hold(grown - room)) return false;
    const bytes = new Uint8Array(grown);
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    return true;
  }
}
