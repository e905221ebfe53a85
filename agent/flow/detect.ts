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

/** A first line longer than this is not waited for: the connection is carried as bytes. As long as a head may be. */
const MAX_LINE_BYTES = 128 * 1024;

/** What the first bytes say. */
export type Detected = "http" | "opaque" | "undecided";

/**
 * Looks at the first bytes of a connection: `http` when a line is a request line of HTTP/1.x (RFC 9112 section 3) to
 * anybody, however odd: what a lenient server takes for a request must not pass unread. `undecided` when more bytes
 * are needed. The whole line counts, because other text protocols begin with a verb too (`SET key value` of Redis or memcached).
 * Empty lines before it are skipped, as servers do. An HTTP/2 preface is opaque until the mesh reads HTTP/2.
 */
export function detect(bytes: Uint8Array, start: number, end: number): Detected {
  let line = start;
  while (line < end && (bytes[line] === CR || bytes[line] === LF)) line++;
  const first = bytes[line];
  if (line === end || first === undefined)
    return line - start < MAX_LINE_BYTES ? "undecided" : "opaque";
  if (!isVerb(first)) return "opaque";
  const lineFeed = bytes.subarray(line, Math.min(end, line + MAX_LINE_BYTES)).indexOf(LF);
  if (lineFeed < 0)
    return end - line < MAX_LINE_BYTES && isText(bytes, line, end) ? "undecided" : "opaque";
  return endsWithVersion(bytes, line, line + lineFeed) ? "http" : "opaque";
}

const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const LAST_CONTROL = 0x1f;
/** `http/1.` in lower case: what stands before the minor version. */
const VERSION = [0x68, 0x74, 0x74, 0x70, 0x2f, 0x31, 0x2e] as const;

/** A letter: all methods in use begin with one, binary protocols and those of punctuation (JSON, Redis) seldom do. */
function isVerb(byte: number): boolean {
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x7a;
}

function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte <= LAST_CONTROL && byte !== CR) return false;
  }
  return true;
}

/** Whether the last word of the line that ends before the LF at `lineEnd`, white space behind it left out, is an HTTP/1 version. */
function endsWithVersion(bytes: Uint8Array, start: number, lineEnd: number): boolean {
  let end = lineEnd;
  while (end > start && (bytes[end - 1] as number) <= SPACE) end--;
  let word = end;
  while (word > start && (bytes[word - 1] as number) > SPACE) word--;
  if (word === start || end - word <= VERSION.length) return false;
  return VERSION.every((byte, index) => ((bytes[word + index] as number) | 0x20) === (byte | 0x20));
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
