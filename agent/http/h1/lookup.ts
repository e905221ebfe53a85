import type { MessageHead } from "../message.ts";
import { ascii, SP } from "./octets.ts";
import type { Range } from "./ranges.ts";

const COOKIE = ascii("cookie");
const SEMICOLON = 59;
const EQUALS = 61;

/**
 * Finds a cookie of this (case-sensitive) name in the request's Cookie fields (RFC 6265 section 4.2.1) and
 * sets `range` to its value. Returns false when there is none.
 */
export function findCookie(head: MessageHead, name: Uint8Array, range: Range): boolean {
  let line = head.find(COOKIE, range);
  while (line >= 0) {
    if (cookieIn(head.bytes, range, name)) return true;
    line = head.find(COOKIE, range, line + 1);
  }
  return false;
}

/** Bytes `[start, end)` as text, one character per byte (ISO 8859-1): for logs and rules, not for the hot path. */
export function textOf(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("latin1");
}

/** The same with everything but visible ASCII percent-encoded: for people's terminals, which obey some of the rest. */
export function printable(bytes: Uint8Array, start: number, end: number): string {
  return textOf(bytes, start, end).replace(
    /[^\x21-\x7e]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** Narrows `range` from a Cookie field's value to the value of the pair of this name. */
function cookieIn(bytes: Uint8Array, range: Range, name: Uint8Array): boolean {
  const end = range.end;
  let at = range.start;
  while (at < end) {
    while (at < end && (bytes[at] === SP || bytes[at] === SEMICOLON)) at++;
    const stop = indexOr(bytes, SEMICOLON, at, end);
    if (pairHasName(bytes, at, stop, name)) {
      range.start = at + name.length + 1;
      range.end = stop;
      return true;
    }
    at = stop;
  }
  return false;
}

function pairHasName(bytes: Uint8Array, at: number, stop: number, name: Uint8Array): boolean {
  if (at + name.length >= stop || bytes[at + name.length] !== EQUALS) return false;
  for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
  return true;
}

function indexOr(bytes: Uint8Array, byte: number, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== byte) at++;
  return at;
}
