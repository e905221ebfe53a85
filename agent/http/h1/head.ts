import type { AnswerHead, RequestHead } from "../message.ts";
import { FORM, type Form, METHOD, type Method } from "./codes.ts";
import { isWord } from "./octets.ts";
import type { Range } from "./ranges.ts";

/** Bounds of one message head. */
export interface HeadLimits {
  /** Bytes of start line, fields and blank line together. */
  readonly maxHeadBytes: number;
  /** Field lines. */
  readonly maxFields: number;
}

/** 128 KiB and 256: twice what the widest servers in use take (64 KiB, 100 to 200), so the mesh is never the first to say no. */
export const DEFAULT_HEAD_LIMITS: HeadLimits = { maxHeadBytes: 131_072, maxFields: 256 };

/** Where a parse stands. */
export const STAGE = { fresh: 0, startLine: 1, fields: 2, done: 3 } as const;

/** Numbers per field line in `Head.lines`. */
export const LINE = 4;

const NO_LINE: Uint8Array = new Uint8Array(0);

/** Field lines that a new head has room for: few messages have more. */
const FIRST_ROOM = 32;

/**
 * One parsed message head: offsets into `bytes`, nothing copied. Reusable and poolable (1 KB, 4.4 KB once it had as many
 * fields as the default limits allow): take one when a message's first bytes arrive, give it back when its head is written.
 * The offsets are valid as long as `bytes` is; a caller who keeps the head longer than its (shared) read
 * buffer copies the bytes and tells `moveTo`. Only the parser writes the fields, but for `added`.
 */
export class Head implements RequestHead, AnswerHead {
  readonly limits: HeadLimits;
  bytes: Uint8Array = new Uint8Array(0);
  /** Offset of the first byte fed; differs from `start` when an empty line preceded the request. */
  origin = 0;
  /** Offset of the start line. */
  start = 0;
  /** Offset behind the start line's CRLF. */
  fieldsStart = 0;
  /** Offset behind the blank line: the body begins here. */
  end = 0;

  /** A METHOD; of requests. */
  method: Method = METHOD.other;
  methodEnd = 0;
  /** A FORM; of requests. */
  form: Form = FORM.origin;
  targetStart = 0;
  targetEnd = 0;
  /** The path without its query; empty (to be read as `/`) when an absolute-form target has none. */
  pathStart = 0;
  pathEnd = 0;
  /** Where the request is addressed to: the target's authority, else the Host field, else empty. */
  authorityStart = 0;
  authorityEnd = 0;
  /** The Host field names another host than the absolute-form target: writeHead replaces it (RFC 9112 section 3.2.2). */
  hostReplaced = false;

  /** The status code, 100-999; of responses. 0 in a request. */
  status = 0;

  /** HTTP/1.`minor`: 0, or 1 for all higher ones. */
  minor = 1;
  /** Whether the sender keeps the connection after this message (RFC 9112 section 9.3). */
  keepAlive = true;
  /** There is an Upgrade field that crosses: in HTTP/1.1, of a request not to h2c. */
  upgrade = false;
  /** `Expect: 100-continue` in an HTTP/1.1 request. */
  expectContinue = false;
  /** The Content-Length, or -1. At most 999,999,999,999,999. */
  contentLength = -1;
  chunked = false;

  /** Field lines. */
  count = 0;
  /** Per field line: offsets of name start, name end, value start, value end (white space trimmed). */
  lines: Int32Array;
  /** Per field line a KIND. */
  kinds: Uint8Array;
  /** Field lines that change or go whatever is said of the connection: 0 lets the writer copy the head at once. */
  special = 0;
  /** A field line of the mesh's own, for the next hop; empty: none. */
  added: Uint8Array = NO_LINE;

  /** Parser state: bytes to look at end here; the line at `next` is looked at up to `scanned`. */
  limit = 0;
  next = 0;
  scanned = 0;
  /** Parser state: a STAGE. */
  stage: number = STAGE.fresh;
  /** SEEN bits: framing fields and Connection's words. */
  seen = 0;
  /** Names that Connection lists besides its own options. */
  listed = 0;
  hostStart = 0;
  hostEnd = 0;

  constructor(limits: HeadLimits = DEFAULT_HEAD_LIMITS) {
    this.limits = limits;
    const room = Math.min(FIRST_ROOM, limits.maxFields);
    this.lines = new Int32Array(room * LINE);
    this.kinds = new Uint8Array(room);
  }

  /** Whether there is room for field line `index`, or could be made. */
  hasRoom(index: number): boolean {
    return index < this.kinds.length || this.#grow();
  }

  /**
   * Shows the parser bytes `[start, end)`: everything of this head that has arrived. After an incomplete
   * parse the next feed repeats the earlier bytes, at the same or at another place; they are not read again.
   * After a complete or refused one it begins a new message.
   */
  feed(bytes: Uint8Array, start: number, end: number): void {
    if (this.stage === STAGE.fresh || this.stage === STAGE.done) this.#begin(start);
    else if (start !== this.origin) this.#shift(start - this.origin);
    this.bytes = bytes;
    this.limit = Math.min(end, start + this.limits.maxHeadBytes);
  }

  /** Forgets an unfinished message, before the head is given back to a pool. */
  reset(): void {
    this.stage = STAGE.fresh;
  }

  /** The caller has copied this head: the byte at `origin` is now at `start` of `bytes`. */
  moveTo(bytes: Uint8Array, start: number): void {
    this.#shift(start - this.origin);
    this.bytes = bytes;
  }

  add(line: Uint8Array): void {
    this.added = line;
  }

  get size(): number {
    return this.end - this.start;
  }

  get fieldCount(): number {
    return this.count;
  }

  get hasContent(): boolean {
    return this.chunked || this.contentLength > 0;
  }

  fieldName(index: number, range: Range): void {
    setRange(range, this.lines[index * LINE] as number, this.lines[index * LINE + 1] as number);
  }

  fieldValue(index: number, range: Range): void {
    setRange(range, this.lines[index * LINE + 2] as number, this.lines[index * LINE + 3] as number);
  }

  find(name: Uint8Array, range: Range, from = 0): number {
    for (let i = from; i < this.count; i++) {
      const at = i * LINE;
      if (!isWord(this.bytes, this.lines[at] as number, this.lines[at + 1] as number, name))
        continue;
      this.fieldValue(i, range);
      return i;
    }
    return -1;
  }

  methodRange(range: Range): void {
    setRange(range, this.start, this.methodEnd);
  }

  authorityRange(range: Range): void {
    setRange(range, this.authorityStart, this.authorityEnd);
  }

  pathRange(range: Range): void {
    setRange(range, this.pathStart, this.pathEnd);
  }

  #grow(): boolean {
    const { kinds, lines } = this;
    const room = Math.min(kinds.length * 4, this.limits.maxFields);
    if (room <= kinds.length) return false;
    this.lines = new Int32Array(room * LINE);
    this.lines.set(lines);
    this.kinds = new Uint8Array(room);
    this.kinds.set(kinds);
    return true;
  }

  #begin(start: number): void {
    this.origin = start;
    this.start = start;
    this.next = start;
    this.scanned = start;
    this.stage = STAGE.startLine;
    this.count = 0;
    this.special = 0;
    this.added = NO_LINE;
    this.seen = 0;
    this.listed = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.status = 0;
    this.upgrade = false;
    this.expectContinue = false;
    this.hostReplaced = false;
    this.hostStart = start;
    this.hostEnd = start;
    this.authorityStart = start;
    this.authorityEnd = start;
  }

  #shift(by: number): void {
    if (by === 0) return;
    this.origin += by;
    this.start += by;
    this.fieldsStart += by;
    this.end += by;
    this.methodEnd += by;
    this.targetStart += by;
    this.targetEnd += by;
    this.pathStart += by;
    this.pathEnd += by;
    this.authorityStart += by;
    this.authorityEnd += by;
    this.limit += by;
    this.next += by;
    this.scanned += by;
    this.hostStart += by;
    this.hostEnd += by;
    for (let i = 0; i < this.count * LINE; i++) this.lines[i] = (this.lines[i] as number) + by;
  }
}

function setRange(range: Range, start: number, end: number): void {
  range.start = start;
  range.end = end;
}
