import { BODY, type Body, PROBLEM } from "./codes.ts";
import { CR, HT, LF, LOWER, TEXT, TOKEN } from "./octets.ts";
import {
  FORBIDDEN_TRAILERS,
  type ForbiddenTrailers,
  TRAILER_HASH_SEED,
  trailerHash,
} from "./trailers.ts";

/** Hexadecimal digits of one chunk size: 2^52 bytes, exact in a double. */
const MAX_SIZE_DIGITS = 13;
/** Bytes of extensions on one chunk: signatures of chunks take some hundred. */
const MAX_EXTENSION_BYTES = 4_096;
/** Bytes of extensions in one message beyond those of its data: more of them than of data is an attack (CVE-2023-39326). */
const MAX_EXTENSIONS_BYTES = 16_384;
/** Bytes of all trailer fields together. */
const MAX_TRAILER_BYTES = 8_192;

const SEMICOLON = 59;
const COLON = 58;

/** What the next byte of a chunked body has to be. */
const AT = {
  sizeFirst: 0,
  size: 1,
  extension: 2,
  sizeLf: 3,
  data: 4,
  dataCr: 5,
  dataLf: 6,
  trailerStart: 7,
  trailerName: 8,
  trailerValue: 9,
  trailerLf: 10,
  finalLf: 11,
} as const;

/** Value of each hexadecimal digit, 255 for other bytes. */
const HEX: Uint8Array = Uint8Array.from({ length: 256 }, (_, c) => {
  const digit = "0123456789abcdef".indexOf(String.fromCharCode(c).toLowerCase());
  return digit < 0 ? 255 : digit;
});

/**
 * Finds where one message's body ends, without copying or changing it: the caller forwards what `eat` has
 * walked over. One per direction of a connection, reused by `reset`.
 */
export class Framer {
  /** The body is complete. `untilClose` and `tunnel` bodies never are: the connection's end ends them. */
  done = true;
  #kind: Body = BODY.none;
  #state: number = AT.sizeFirst;
  /** Bytes left of the body or of the current chunk. */
  #left = 0;
  /** Digits, extension bytes or trailer bytes so far. */
  #count = 0;
  #extensions = 0;
  #trailers = 0;
  #hash = 0;
  readonly #forbidden: ForbiddenTrailers;

  constructor(of: "request" | "response") {
    this.#forbidden = FORBIDDEN_TRAILERS[of];
  }

  /** Begins a body of this kind; `length` counts for BODY.length only. */
  reset(kind: Body, length: number): void {
    this.#kind = kind;
    this.#left = kind === BODY.length ? length : 0;
    this.done =
      kind === BODY.none || kind === BODY.interim || (kind === BODY.length && length <= 0);
    this.#state = AT.sizeFirst;
    this.#extensions = 0;
    this.#trailers = 0;
  }

  /**
   * Walks over `[start, end)`. Returns the offset behind this message's bytes (`end` while it goes on; the
   * next message's bytes are left alone) or a PROBLEM; after a PROBLEM both connections must end, since
   * earlier bytes may have been forwarded.
   */
  eat(bytes: Uint8Array, start: number, end: number): number {
    if (this.done) return start;
    if (this.#kind === BODY.chunked) return this.#eatChunked(bytes, start, end);
    if (this.#kind !== BODY.length) return end;
    const taken = Math.min(end - start, this.#left);
    this.#left -= taken;
    this.done = this.#left === 0;
    return start + taken;
  }

  #eatChunked(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#state === AT.data) {
        const taken = Math.min(end - at, this.#left);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#state = AT.dataCr;
        continue;
      }
      const problem = this.#step(bytes[at] as number);
      if (problem < 0) return problem;
      at++;
      if (this.done) return at;
    }
    return at;
  }

  #step(byte: number): number {
    switch (this.#state) {
      case AT.sizeFirst:
        this.#left = 0;
        this.#count = 0;
        return HEX[byte] === 255 ? PROBLEM.chunkSize : this.#digit(byte);
      case AT.size:
        return HEX[byte] === 255 ? this.#afterSize(byte) : this.#digit(byte);
      case AT.extension:
        return this.#extension(byte);
      case AT.sizeLf:
        this.#extensions = Math.max(0, this.#extensions - this.#left);
        return this.#expect(byte, LF, this.#left === 0 ? AT.trailerStart : AT.data);
      case AT.dataCr:
        return this.#expect(byte, CR, AT.dataLf);
      case AT.dataLf:
        return this.#expect(byte, LF, AT.sizeFirst);
      default:
        return this.#trailer(byte);
    }
  }

  #expect(byte: number, wanted: number, next: number): number {
    if (byte !== wanted) return PROBLEM.chunkEnd;
    this.#state = next;
    return 0;
  }

  #digit(byte: number): number {
    if (++this.#count > MAX_SIZE_DIGITS) return PROBLEM.chunkSize;
    this.#left = this.#left * 16 + (HEX[byte] as number);
    this.#state = AT.size;
    return 0;
  }

  #afterSize(byte: number): number {
    this.#count = 0;
    if (byte === CR) this.#state = AT.sizeLf;
    else if (byte === SEMICOLON) this.#state = AT.extension;
    else return PROBLEM.chunkSize;
    return 0;
  }

  #extension(byte: number): number {
    if (byte === CR) {
      this.#state = AT.sizeLf;
      return 0;
    }
    // Nobody is known to send others but attackers.
    if ((byte < 32 && byte !== HT) || byte > 126) return PROBLEM.chunkExtension;
    if (++this.#count > MAX_EXTENSION_BYTES) return PROBLEM.chunkExtension;
    return ++this.#extensions > MAX_EXTENSIONS_BYTES ? PROBLEM.chunkExtension : 0;
  }

  #trailer(byte: number): number {
    if (++this.#trailers > MAX_TRAILER_BYTES) return PROBLEM.trailerTooLarge;
    switch (this.#state) {
      case AT.trailerStart:
        this.#count = 0;
        this.#hash = TRAILER_HASH_SEED;
        if (byte !== CR) return this.#trailerName(byte);
        this.#state = AT.finalLf;
        return 0;
      case AT.trailerName:
        return this.#trailerName(byte);
      case AT.trailerValue:
        if (TEXT[byte] === 1) return 0;
        if (byte !== CR) return PROBLEM.trailer;
        this.#state = AT.trailerLf;
        return 0;
      case AT.trailerLf:
        if (byte !== LF) return PROBLEM.trailer;
        this.#state = AT.trailerStart;
        return 0;
      default:
        if (byte !== LF) return PROBLEM.chunkEnd;
        this.done = true;
        return 0;
    }
  }

  #trailerName(byte: number): number {
    if (TOKEN[byte] === 1) {
      this.#count++;
      this.#hash = trailerHash(this.#hash, LOWER[byte] as number);
      this.#state = AT.trailerName;
      return 0;
    }
    if (byte !== COLON || this.#count === 0) return PROBLEM.trailer;
    if (this.#forbidden.get(this.#hash) === this.#count) return PROBLEM.trailer;
    this.#state = AT.trailerValue;
    return 0;
  }
}
