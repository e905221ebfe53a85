/**
 * This folder is the host's side of the WebAssembly core: it hands bytes in and reads tapes (u32
 * words and length-prefixed bytes, assembly/tape.ts) into plain values. It makes no system call.
 */
const decoder = new TextDecoder();

/** Reads an answer of the core, in the order it was written. Everything read is a copy. */
export class TapeReader {
  readonly #view: DataView;
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u32(): number {
    const value = this.#view.getUint32(this.#at, true);
    this.#at += 4;
    return value;
  }

  u64(): bigint {
    const value = this.#view.getBigUint64(this.#at, true);
    this.#at += 8;
    return value;
  }

  bytes(): Uint8Array {
    const length = this.u32();
    const value = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    return value;
  }

  text(): string {
    return decoder.decode(this.bytes());
  }

  /** A count, then that many items. */
  list<T>(read: () => T): T[] {
    return Array.from({ length: this.u32() }, read);
  }
}
