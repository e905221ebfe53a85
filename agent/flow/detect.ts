/**
 * Protocol detection by a bounded look at the first bytes, and the memory of ports whose servers speak
 * first. Pure apart from that memory. A look never lasts longer than `DETECT_TIMEOUT_MS`.
 */

/** The longest a connection may be held back to see its first bytes, milliseconds. */
export const DETECT_TIMEOUT_MS = 50;

/** How long a server-first port is remembered, milliseconds: long enough to spare nearly every stall. */
const LEARNED_FOR_MS = 10 * 60_000;

/** At most this many ports are remembered; the oldest go first. */
const LEARNED_MAX = 4096;

/** A first line longer than this is not waited for: the connection is carried as bytes. */
const MAX_LINE_BYTES = 16 * 1024;

/** What the first bytes say. */
export type Detected = "http" | "opaque" | "undecided";

/**
 * Looks at the first bytes of a connection: `http` when they are a whole HTTP/1.x request line (RFC 9112
 * section 3), `undecided` when more bytes are needed. The whole line counts, because other text protocols
 * begin with an upper-case verb too (`SET key value` of Redis or memcached). An HTTP/2 preface is opaque
 * until the mesh reads HTTP/2.
 */
export function detect(bytes: Uint8Array, start: number, end: number): Detected {
  const first = bytes[start];
  if (first === undefined || start >= end) return "undecided";
  if (first < UPPER_A || first > UPPER_Z) return "opaque";
  const lineFeed = bytes.subarray(start, Math.min(end, start + MAX_LINE_BYTES)).indexOf(LF);
  if (lineFeed < 0)
    return end - start < MAX_LINE_BYTES && isText(bytes, start, end) ? "undecided" : "opaque";
  return endsWithVersion(bytes, start, start + lineFeed) ? "http" : "opaque";
}

const LF = 0x0a;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const LAST_CONTROL = 0x1f;
const CR = 0x0d;
/** ` HTTP/1.` — what stands before the minor version, CR and LF. */
const VERSION = [0x20, 0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e] as const;

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte <= LAST_CONTROL && byte !== CR) return false;
  }
  return true;
}

/** `lineEnd` is the offset of LF; the line must end in ` HTTP/1.x` CR. */
function endsWithVersion(bytes: Uint8Array, start: number, lineEnd: number): boolean {
  const at = lineEnd - 2 - VERSION.length;
  if (at <= start || bytes[lineEnd - 1] !== CR) return false;
  return VERSION.every((byte, index) => bytes[at + index] === byte);
}

/** Whether a server's first bytes are an HTTP/1.x answer: what some send to a silent client before they hang up (408). */
export function isHttpAnswer(bytes: Uint8Array): boolean {
  return bytes.length >= ANSWER.length && ANSWER.every((byte, index) => bytes[index] === byte);
}

/** `HTTP/1.` */
const ANSWER = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e] as const;

/** Remembers, per destination, that the server speaks first, so that only one connection in ten minutes waits. */
export class ServerFirstMemory {
  readonly #until: Map<string, number> = new Map();

  /** Notes that the server spoke while the client was silent. */
  learn(destination: string, nowMs: number): void {
    this.#until.delete(destination);
    this.#until.set(destination, nowMs + LEARNED_FOR_MS);
    if (this.#until.size > LEARNED_MAX) {
      const [oldest] = this.#until.keys();
      if (oldest !== undefined) this.#until.delete(oldest);
    }
  }

  /** Whether the destination is known to speak first. */
  knows(destination: string, nowMs: number): boolean {
    const until = this.#until.get(destination);
    if (until === undefined) return false;
    if (until > nowMs) return true;
    this.#until.delete(destination);
    return false;
  }
}
