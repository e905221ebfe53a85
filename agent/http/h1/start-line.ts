import { METHOD, type Method, PROBLEM } from "./codes.ts";
import type { Head } from "./head.ts";
import {
  ascii,
  CR,
  LF,
  LOWER,
  SLASH,
  SP,
  skipPath,
  skipTarget,
  skipText,
  skipToken,
} from "./octets.ts";
import { classifyTarget } from "./target.ts";

const HTTP_SLASH = ascii("http/");
const DOT = 46;
const ZERO = 48;
const QUESTION = 63;
const HASH = 35;
/** `HTTP/1.1` */
const VERSION_BYTES = 8;
/** ` 200` */
const STATUS_BYTES = 4;

/** A method the proxy tells apart. */
interface Word {
  readonly bytes: Uint8Array;
  readonly method: Method;
}

/** By length: the methods of that length; case-sensitive (RFC 9110 section 9.1). */
const FIRST_WORDS: readonly (Word | undefined)[] = byLength(
  "GET",
  "POST",
  "PATCH",
  "DELETE",
  "OPTIONS",
);
const SECOND_WORDS: readonly (Word | undefined)[] = byLength("PUT", "HEAD", "TRACE", "CONNECT");

/** RFC 9112 section 3: `METHOD SP TARGET SP HTTP/1.x CRLF`. Returns the offset behind it, 0 (more bytes) or a PROBLEM. */
export function parseRequestLine(head: Head): number {
  const ready = skipEmptyLines(head);
  if (ready <= 0) return ready;
  const bytes = head.bytes;
  const end = head.limit;
  const start = head.start;
  const methodEnd = skipToken(bytes, start, end);
  if (methodEnd === end) return pause(head, end);
  if (bytes[methodEnd] !== SP || methodEnd === start) return PROBLEM.startLine;
  const target = methodEnd + 1;
  const pathEnd = skipPath(bytes, target, end);
  const stop = bytes[pathEnd];
  const targetEnd = stop === QUESTION || stop === HASH ? skipTarget(bytes, pathEnd, end) : pathEnd;
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
  if (status < 100) return PROBLEM.startLine;
  const reason = space + STATUS_BYTES;
  if (reason < end && bytes[reason] !== SP && bytes[reason] !== CR) return PROBLEM.startLine;
  head.status = status;
  return lineEnd(head, skipText(bytes, reason, end));
}

/**
 * RFC 9112 section 2.2: empty lines before a request are skipped (old clients send one behind a body). Their bytes count
 * for the head's limit. Returns 1 when the request line may be looked at, 0 (more bytes) or a PROBLEM.
 */
function skipEmptyLines(head: Head): number {
  const { bytes, limit } = head;
  let at = head.start;
  while (at < limit && bytes[at] === CR) {
    if (at + 1 >= limit) return pause(head, at);
    if (bytes[at + 1] !== LF) return PROBLEM.lineEnd;
    at += 2;
    head.start = at;
    head.next = at;
    head.scanned = at;
  }
  return 1;
}

/**
 * Returns the offset behind `HTTP/1.x` at `at`, 0 or a PROBLEM; sets `head.minor`. A higher minor version has the meaning
 * of the highest one that is known (RFC 9110 section 2.5). Lower case leaves no doubt either.
 */
function parseVersion(head: Head, at: number): number {
  const bytes = head.bytes;
  const after = at + VERSION_BYTES;
  if (after > head.limit) return versionPiece(head, at);
  if (!isHttpSlash(bytes, at) || bytes[at + 6] !== DOT) return PROBLEM.startLine;
  const major = digit(bytes, at + 5);
  const minor = digit(bytes, at + 7);
  if (major < 0 || minor < 0) return PROBLEM.startLine;
  if (major !== 1) return PROBLEM.version;
  head.minor = minor === 0 ? 0 : 1;
  return after;
}

/** Written out, because this is on every message's way. */
function isHttpSlash(bytes: Uint8Array, at: number): boolean {
  return (
    ((bytes[at] as number) | 32) === 104 &&
    ((bytes[at + 1] as number) | 32) === 116 &&
    ((bytes[at + 2] as number) | 32) === 116 &&
    ((bytes[at + 3] as number) | 32) === 112 &&
    bytes[at + 4] === SLASH
  );
}

/** The bytes end before the version does: says early what can never become one. */
function versionPiece(head: Head, at: number): number {
  for (let i = 0; i < HTTP_SLASH.length && at + i < head.limit; i++)
    if (LOWER[head.bytes[at + i] as number] !== HTTP_SLASH[i]) return PROBLEM.startLine;
  return pause(head, head.limit);
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

/** The digit's value, or -1000: less than any sum of digits can make good. */
function digit(bytes: Uint8Array, at: number): number {
  const value = (bytes[at] as number) - ZERO;
  return value >= 0 && value <= 9 ? value : -1_000;
}

function methodOf(bytes: Uint8Array, start: number, end: number): Method {
  const first = FIRST_WORDS[end - start];
  if (first !== undefined && startsWith(bytes, start, first.bytes)) return first.method;
  const second = SECOND_WORDS[end - start];
  if (second !== undefined && startsWith(bytes, start, second.bytes)) return second.method;
  return METHOD.other;
}

function byLength(...names: readonly Uppercase<keyof typeof METHOD>[]): (Word | undefined)[] {
  const words: (Word | undefined)[] = new Array(8).fill(undefined);
  for (const name of names)
    words[name.length] = {
      bytes: ascii(name),
      method: METHOD[name.toLowerCase() as keyof typeof METHOD],
    };
  return words;
}

function startsWith(bytes: Uint8Array, at: number, word: Uint8Array): boolean {
  for (let i = 0; i < word.length; i++) if (bytes[at + i] !== word[i]) return false;
  return true;
}

function pause(head: Head, scanned: number): number {
  head.scanned = scanned;
  return 0;
}
