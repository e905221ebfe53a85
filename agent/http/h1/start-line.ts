import { METHOD, type Method, PROBLEM } from "./codes.ts";
import type { Head } from "./head.ts";
import { ascii, CR, LF, SP, skipPath, skipText, skipToken } from "./octets.ts";
import { classifyTarget } from "./target.ts";

const HTTP_SLASH = ascii("HTTP/");
const DOT = 46;
const ZERO = 48;
const QUESTION = 63;
/** `HTTP/1.1` */
const VERSION_BYTES = 8;
/** ` 200` */
const STATUS_BYTES = 4;

/** By length: the methods the proxy tells apart. Methods are case-sensitive (RFC 9110 section 9.1). */
const METHODS: readonly (readonly { readonly word: Uint8Array; readonly method: Method }[])[] = [
  [],
  [],
  [],
  [method("GET", METHOD.get), method("PUT", METHOD.put)],
  [method("POST", METHOD.post), method("HEAD", METHOD.head)],
  [method("PATCH", METHOD.patch), method("TRACE", METHOD.trace)],
  [method("DELETE", METHOD.delete)],
  [method("CONNECT", METHOD.connect), method("OPTIONS", METHOD.options)],
];

/** RFC 9112 section 3: `METHOD SP TARGET SP HTTP/1.x CRLF`. Returns the offset behind it, 0 (more bytes) or a PROBLEM. */
export function parseRequestLine(head: Head): number {
  const ready = skipEmptyLine(head);
  if (ready <= 0) return ready;
  const bytes = head.bytes;
  const end = head.limit;
  const start = head.start;
  const methodEnd = skipToken(bytes, start, end);
  if (methodEnd === end) return pause(head, end);
  if (bytes[methodEnd] !== SP || methodEnd === start) return PROBLEM.startLine;
  const target = methodEnd + 1;
  const pathEnd = skipPath(bytes, target, end);
  const targetEnd = bytes[pathEnd] === QUESTION ? skipQuery(bytes, pathEnd, end) : pathEnd;
  if (targetEnd >= end) return pause(head, end);
  if (bytes[targetEnd] !== SP) return badTargetByte(bytes[targetEnd] as number);
  if (targetEnd === target) return PROBLEM.startLine;
  const at = lineEnd(head, parseVersion(head, targetEnd + 1));
  if (at <= 0) return at;
  head.method = methodOf(bytes, start, methodEnd);
  head.methodEnd = methodEnd;
  head.targetStart = target;
  head.targetEnd = targetEnd;
  head.pathStart = target;
  head.pathEnd = pathEnd;
  const problem = classifyTarget(head);
  return problem < 0 ? problem : at;
}

/**
 * RFC 9112 section 4: `HTTP/1.x SP STATUS SP REASON CRLF`. The space before an empty reason may be missing:
 * real servers leave it out, and nothing about the framing depends on it.
 */
export function parseStatusLine(head: Head): number {
  const bytes = head.bytes;
  const end = head.limit;
  const space = parseVersion(head, head.start);
  if (space <= 0) return space;
  if (space < end && bytes[space] !== SP) return PROBLEM.startLine;
  if (space + STATUS_BYTES > end) return pause(head, end);
  const status =
    digit(bytes, space + 1) * 100 + digit(bytes, space + 2) * 10 + digit(bytes, space + 3);
  // A byte that is no digit makes NaN, which is not within bounds either.
  if (!(status >= 100 && status <= 999)) return PROBLEM.startLine;
  const reason = space + STATUS_BYTES;
  if (reason < end && bytes[reason] !== SP && bytes[reason] !== CR) return PROBLEM.startLine;
  head.status = status;
  return lineEnd(head, skipText(bytes, reason, end));
}

/**
 * RFC 9112 section 2.2: one empty line before a request is skipped (old clients send one behind a body).
 * Returns 1 when the request line may be looked at, 0 (more bytes) or a PROBLEM.
 */
function skipEmptyLine(head: Head): number {
  const at = head.start;
  if (at >= head.limit || head.bytes[at] !== CR || at !== head.origin) return 1;
  if (at + 1 >= head.limit) return pause(head, at);
  if (head.bytes[at + 1] !== LF) return PROBLEM.lineEnd;
  head.start = at + 2;
  head.next = at + 2;
  head.scanned = at + 2;
  return 1;
}

function skipQuery(bytes: Uint8Array, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] === QUESTION) at = skipPath(bytes, at + 1, end);
  return at;
}

/** Returns the offset behind `HTTP/1.0` or `HTTP/1.1` at `at`, 0 or a PROBLEM; sets `head.minor`. */
function parseVersion(head: Head, at: number): number {
  const bytes = head.bytes;
  const after = at + VERSION_BYTES;
  for (let i = 0; i < HTTP_SLASH.length; i++) {
    if (at + i >= head.limit) return pause(head, head.limit);
    if (bytes[at + i] !== HTTP_SLASH[i]) return PROBLEM.startLine;
  }
  if (after > head.limit) return pause(head, head.limit);
  const major = digit(bytes, at + 5);
  const minor = digit(bytes, at + 7);
  if (!(major >= 0 && minor >= 0) || bytes[at + 6] !== DOT) return PROBLEM.startLine;
  if (major !== 1 || minor > 1) return PROBLEM.version;
  head.minor = minor;
  return after;
}

/** Returns the offset behind the CR LF expected at `at`; passes on an `at` that is 0 or a PROBLEM. */
function lineEnd(head: Head, at: number): number {
  if (at <= 0) return at;
  if (at >= head.limit) return pause(head, at);
  const byte = head.bytes[at] as number;
  if (byte === LF) return PROBLEM.lineEnd;
  if (byte !== CR) return PROBLEM.startLine;
  if (at + 1 >= head.limit) return pause(head, at);
  return head.bytes[at + 1] === LF ? at + 2 : PROBLEM.lineEnd;
}

function badTargetByte(byte: number): number {
  return byte === CR || byte === LF ? PROBLEM.startLine : PROBLEM.target;
}

function digit(bytes: Uint8Array, at: number): number {
  const value = (bytes[at] as number) - ZERO;
  return value >= 0 && value <= 9 ? value : Number.NaN;
}

function methodOf(bytes: Uint8Array, start: number, end: number): Method {
  const known = METHODS[end - start];
  if (known === undefined) return METHOD.other;
  for (const { word, method } of known) if (startsWith(bytes, start, word)) return method;
  return METHOD.other;
}

function startsWith(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}

function method(text: string, value: Method): { word: Uint8Array; method: Method } {
  return { word: ascii(text), method: value };
}

function pause(head: Head, scanned: number): number {
  head.scanned = scanned;
  return 0;
}
