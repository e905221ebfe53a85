/** The last output of a container, bounded: a chatty program must not fill the machine. */

/** Bytes kept per container; the oldest go first. */
const LIMIT_BYTES = 256 * 1024;

/** A ring of output, kept as text pieces. */
export class LogBuffer {
  readonly #pieces: Buffer[] = [];
  #bytes = 0;

  /** Adds output, forgetting the oldest pieces beyond the limit. */
  append(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    while (this.#bytes > LIMIT_BYTES && this.#pieces.length > 1)
      this.#bytes -= this.#pieces.shift()?.length ?? 0;
  }

  /** All that is kept. */
  text(): string {
    return Buffer.concat(this.#pieces).toString();
  }
}
