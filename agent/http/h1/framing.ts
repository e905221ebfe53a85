/** The two fields that say where a message ends. What is clear but odd is marked to be written in its plain form. */

import { KIND, PROBLEM, SEEN } from "./codes.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, COMMA, CR, HT, isWord, SP } from "./octets.ts";
import { nextListItem, type Range } from "./ranges.ts";

const CHUNKED = ascii("chunked");
const CONTENT_LENGTH = ascii("content-length");
const TRANSFER_ENCODING = ascii("transfer-encoding");
/** Codings a peer may name honestly (RFC 9112 section 7.2), refused as not implemented rather than as an attack. */
const CODINGS: readonly Uint8Array[] = [
  "gzip",
  "x-gzip",
  "deflate",
  "compress",
  "x-compress",
  "identity",
].map(ascii);

const ZERO = 48;
/** 15 digits: far over any body, and exact in a double. */
const MAX_LENGTH_DIGITS = 15;

/** Scratch of the list walks; a walk never spans two calls. */
const item: Range = { start: 0, end: 0 };

/**
 * Content-Length: decimal digits, without a sign or an overflow. Leading zeros and repeated equal values, as fields or as
 * a list, are one number to everybody who accepts them (RFC 9110 section 8.6), and are written once, as that number.
 */
export function noteLength(head: Head, index: number): number {
  const at = index * LINE;
  const plain = isTight(head, at) ? plainDecimal(head, at) : -1;
  const length = plain >= 0 ? plain : oddLength(head, at);
  if (length < 0) return length;
  if ((head.seen & SEEN.length) !== 0) {
    if (length !== head.contentLength) return PROBLEM.lengthTwice;
    return changed(head, index, KIND.gone);
  }
  head.seen |= SEEN.length;
  head.contentLength = length;
  return plain >= 0 ? 0 : changed(head, index, KIND.length);
}

/** Only `chunked`: the mesh passes bodies through and never undoes another coding. Once, in requests. */
export function noteCoding(head: Head, index: number): number {
  const at = index * LINE;
  const again = (head.seen & SEEN.coding) !== 0;
  if (again && head.status === 0) return PROBLEM.transferCoding;
  head.seen |= SEEN.coding;
  const plain = isTight(head, at) && isPlainChunked(head, at);
  const problem = plain ? 0 : oddCoding(head, at);
  if (problem < 0) return problem;
  head.chunked = true;
  if (again) return changed(head, index, KIND.gone);
  return plain ? 0 : changed(head, index, KIND.coding);
}

/**
 * What the two say together (RFC 9112 section 6.3). Returns 0 or a PROBLEM. In an answer the coding wins, and its
 * connection is not used again; a status that never has a body loses what announces one.
 */
export function finishFraming(head: Head): number {
  const both = SEEN.length | SEEN.coding;
  if (head.chunked && head.minor === 0) return PROBLEM.codingInOld;
  const { status } = head;
  if ((head.seen & both) === both) {
    if (status === 0) return PROBLEM.lengthAndCoding;
    dropLength(head);
    head.keepAlive = false;
  }
  if (status === 0 || (status >= 200 && status !== 204)) return 0;
  if (status < 200) dropLength(head);
  // A server that announces a body may send one: nothing that follows is an answer.
  if (head.chunked || head.contentLength > 0) head.keepAlive = false;
  drop(head, TRANSFER_ENCODING);
  head.chunked = false;
  return 0;
}

function dropLength(head: Head): void {
  if ((head.seen & SEEN.length) === 0) return;
  drop(head, CONTENT_LENGTH);
  head.contentLength = -1;
}

function drop(head: Head, name: Uint8Array): void {
  for (let i = 0; i < head.count; i++) {
    const at = i * LINE;
    if (!isWord(head.bytes, head.lines[at] as number, head.lines[at + 1] as number, name)) continue;
    changed(head, i, KIND.gone);
  }
}

function changed(head: Head, index: number, kind: number): 0 {
  head.kinds[index] = kind;
  head.special++;
  return 0;
}

/** Whether nothing but one space before the value surrounds it, the usual way. */
function isTight({ bytes, lines }: Head, at: number): boolean {
  const behind = (lines[at + 1] as number) + 1;
  const start = lines[at + 2] as number;
  if (bytes[lines[at + 3] as number] !== CR) return false;
  return start === behind || (start === behind + 1 && bytes[behind] === SP);
}

/** The value of digits without a zero in front, or -1. */
function plainDecimal({ bytes, lines }: Head, at: number): number {
  const start = lines[at + 2] as number;
  const end = lines[at + 3] as number;
  const digits = end - start;
  if (digits === 0 || digits > MAX_LENGTH_DIGITS) return -1;
  if (bytes[start] === ZERO) return digits === 1 ? 0 : -1;
  let length = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return -1;
    length = length * 10 + digit;
  }
  return length;
}

function oddLength(head: Head, at: number): number {
  if (hasTabAround(head, at)) return PROBLEM.contentLength;
  return lengthIn(head.bytes, head.lines[at + 2] as number, head.lines[at + 3] as number);
}

/** The value, or a PROBLEM; of a list the one value that all its items have. */
function lengthIn(bytes: Uint8Array, start: number, end: number): number {
  let known = -1;
  for (let at = start; at <= end; ) {
    let stop = at;
    while (stop < end && bytes[stop] !== COMMA) stop++;
    const length = paddedDecimal(bytes, at, stop);
    if (length < 0) return length;
    if (known >= 0 && length !== known) return PROBLEM.lengthTwice;
    known = length;
    at = stop + 1;
  }
  return known;
}

function paddedDecimal(bytes: Uint8Array, start: number, end: number): number {
  let first = start;
  while (first < end && bytes[first] === SP) first++;
  let last = end;
  while (last > first && bytes[last - 1] === SP) last--;
  return decimal(bytes, first, last);
}

function decimal(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end) return PROBLEM.contentLength;
  let length = 0;
  let digits = 0;
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return PROBLEM.contentLength;
    length = length * 10 + digit;
    if (length > 0 && ++digits > MAX_LENGTH_DIGITS) return PROBLEM.contentLength;
  }
  return length;
}

function isPlainChunked({ bytes, lines }: Head, at: number): boolean {
  const start = lines[at + 2] as number;
  if ((lines[at + 3] as number) - start !== CHUNKED.length) return false;
  for (let i = 0; i < CHUNKED.length; i++) if (bytes[start + i] !== CHUNKED[i]) return false;
  return true;
}

/** 0 for `chunked` in another spelling, in an answer also more than once; else a PROBLEM. */
function oddCoding(head: Head, at: number): number {
  const start = head.lines[at + 2] as number;
  const end = head.lines[at + 3] as number;
  if (hasTabAround(head, at)) return PROBLEM.transferCoding;
  if (isWord(head.bytes, start, end, CHUNKED)) return 0;
  if (head.status !== 0 && isChunkedAgain(head.bytes, start, end)) return 0;
  return otherCoding(head.bytes, start, end);
}

/**
 * A tab beside a framing value is lawful white space, but llhttp takes `chunked<tab>` for another coding
 * (found by the differential fuzz): next hops would not agree.
 */
function hasTabAround(head: Head, at: number): boolean {
  for (let i = (head.lines[at + 1] as number) + 1; i < (head.lines[at + 2] as number); i++)
    if (head.bytes[i] === HT) return true;
  let i = head.lines[at + 3] as number;
  while (head.bytes[i] === SP) i++;
  return head.bytes[i] === HT;
}

/** `chunked, chunked`: servers behind a framework that adds it too. Twice or once, the outer chunks end the answer. */
function isChunkedAgain(bytes: Uint8Array, start: number, end: number): boolean {
  item.end = start;
  let items = 0;
  while (nextListItem(bytes, item, end)) {
    if (!isWord(bytes, item.start, item.end, CHUNKED)) return false;
    items++;
  }
  return items > 1;
}

/** `gzip, chunked` is honest but not implemented (501, RFC 9112 section 6.1); anything else is a trick. */
function otherCoding(bytes: Uint8Array, start: number, end: number): number {
  item.end = start;
  let chunkedAt = -1;
  let items = 0;
  while (nextListItem(bytes, item, end)) {
    if (isWord(bytes, item.start, item.end, CHUNKED)) chunkedAt = chunkedAt < 0 ? items : 0;
    else if (!CODINGS.some((coding) => isWord(bytes, item.start, item.end, coding)))
      return PROBLEM.transferCoding;
    items++;
  }
  return chunkedAt > 0 && chunkedAt === items - 1 ? PROBLEM.unknownCoding : PROBLEM.transferCoding;
}
