/** Bytes of an unfinished head or request, kept across reads. Grows by doubling, shrinks when emptied. */

/** Kept when emptied: below it, growing again would cost more than the memory. */
const KEEP_BYTES = 1024;

const EMPTY: Uint8Array = new Uint8Array(0);

/** A growable byte buffer. */
export class HeldBytes {
  bytes: Uint8Array = EMPTY;
  length = 0;

  /** Adds `[start, end)` of `from` behind what is held. `from` may be the held buffer itself. */
  append(from: Uint8Array, start: number, end: number): void {
    const size = end - start;
    this.#reserve(this.length + size);
    this.bytes.set(from.subarray(start, end), this.length);
    this.length += size;
  }

  /** Holds exactly `[start, end)` of `from`, which may be the held buffer itself. */
  replace(from: Uint8Array, start: number, end: number): void {
    if (from === this.bytes) {
      if (start > 0) this.bytes.copyWithin(0, start, end);
      this.length = end - start;
      return;
    }
    this.length = 0;
    this.append(from, start, end);
  }

  /** Empties it. */
  clear(): void {
    this.length = 0;
    if (this.bytes.length > KEEP_BYTES) this.bytes = EMPTY;
  }

  #reserve(size: number): void {
    if (size <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(256, size, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
