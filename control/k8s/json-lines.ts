/** Watch events come as JSON texts, one a line: cuts a byte stream into them with bounded memory. */

const NEWLINE = 0x0a;

/** A line is longer than allowed. */
export class LineTooLong extends Error {}

/** Collects chunks and gives back whole lines. */
export class LineCutter {
  readonly #maxBytes: number;
  #parts: Uint8Array[] = [];
  #held = 0;

  /** `maxBytes` bounds one line, and so what is held. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether an unfinished line is held. */
  get unfinished(): boolean {
    return this.#held > 0;
  }

  /** The lines that this chunk completes; empty lines are left out. Throws LineTooLong. */
  cut(chunk: Uint8Array): readonly string[] {
    const lines: string[] = [];
    let from = 0;
    for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
      this.#hold(chunk.subarray(from, at));
      if (this.#held > 0) lines.push(Buffer.concat(this.#parts).toString("utf8"));
      this.#parts = [];
      this.#held = 0;
      from = at + 1;
    }
    // A copy: the rest of the chunk is not kept alive (a Buffer's own slice would be a view).
    if (from < chunk.length) this.#hold(new Uint8Array(chunk.subarray(from)));
    return lines;
  }

  #hold(part: Uint8Array): void {
    this.#held += part.length;
    if (this.#held > this.#maxBytes)
      throw new LineTooLong(`a line of the watch is longer than ${this.#maxBytes} bytes`);
    if (part.length > 0) this.#parts.push(part);
  }
}
