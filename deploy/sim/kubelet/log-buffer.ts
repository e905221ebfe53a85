/** The last output of a container, bounded: a chatty program must not fill the machine. */

/** Bytes kept per container; the oldest go first. */
const LIMIT_BYTES = 256 * 1024;

/** A ring of output, kept as pieces. */
export class LogBuffer {
  readonly #pieces: Buffer[] = [];
  #kept = 0;
  #total = 0;

  /** Adds output, forgetting the oldest pieces beyond the limit. */
  append(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#kept += piece.length;
    this.#total += piece.length;
    while (this.#kept > LIMIT_BYTES && this.#pieces.length > 1)
      this.#kept -= this.#pieces.shift()?.length ?? 0;
  }

  /** Count of all bytes ever. */
  get total(): number {
    return this.#total;
  }

  /** What is kept of the output after its first `from` bytes. */
  since(from: number): Buffer {
    const forgotten = this.#total - this.#kept;
    return Buffer.concat(this.#pieces).subarray(Math.max(0, from - forgotten));
  }
}
