import { FORM, KIND, METHOD, PROBLEM } from "./codes.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, HT, isWord, LOWER, SP, sameWord } from "./octets.ts";
import { nextListItem, type Range } from "./ranges.ts";
import { isAuthority } from "./target.ts";

const TE = ascii("te");
const HOST = ascii("host");
const EXPECT = ascii("expect");
const UPGRADE = ascii("upgrade");
const CONNECTION = ascii("connection");
const KEEP_ALIVE = ascii("keep-alive");
const CONTENT_LENGTH = ascii("content-length");
const PROXY_CONNECTION = ascii("proxy-connection");
const TRANSFER_ENCODING = ascii("transfer-encoding");
const HTTP2_SETTINGS = ascii("http2-settings");
const CLOSE = ascii("close");
const TRAILERS = ascii("trailers");
const CHUNKED = ascii("chunked");
const CONTINUE = ascii("100-continue");
const H2C = ascii("h2c");
/** Codings a peer may name honestly (RFC 9112 section 7.2), refused as not implemented rather than as an attack. */
const CODINGS: readonly Uint8Array[] = [
  "gzip",
  "x-gzip",
  "deflate",
  "compress",
  "x-compress",
  "identity",
].map(ascii);

/** Bits of `Head.seen`. */
const SEEN = {
  host: 1,
  length: 2,
  coding: 4,
  close: 8,
  keepAlive: 16,
  /** Connection lists `upgrade`. */
  upgradeListed: 32,
  upgradeField: 64,
  h2c: 128,
  /** Connection lists fields that have no meaning of their own here. */
  others: 256,
} as const;

const ZERO = 48;
/** 15 digits: far over any body, and exact in a double. */
const MAX_LENGTH_DIGITS = 15;
/** Fields that Connection may list: each is looked for among all fields, so a long list would cost a square. */
const MAX_LISTED = 32;

/** `transfer-encoding` */
const LONGEST_NAME = 17;

/** Scratch of the list walks; a walk never spans two calls. */
const item: Range = { start: 0, end: 0 };

/** By length and first byte: whether one of the names above is like that. Most fields are told apart by this one load. */
const INTERESTING: Uint8Array = interesting();

/** Whether a name of this length with this first byte may be one that noteField knows. */
export function isInteresting(first: number, length: number): boolean {
  return length <= LONGEST_NAME && INTERESTING[(length << 8) | first] === 1;
}

/** Takes note of field line `index` if the proxy has to know it. Returns 0 or a PROBLEM. */
export function noteField(head: Head, index: number): number {
  const at = index * LINE;
  const name = head.lines[at] as number;
  const bytes = head.bytes;
  switch ((head.lines[at + 1] as number) - name) {
    case 2:
      return sameWord(bytes, name, TE) ? noteTe(head, index) : 0;
    case 4:
      return sameWord(bytes, name, HOST) ? noteHost(head, index) : 0;
    case 6:
      return sameWord(bytes, name, EXPECT) ? noteExpect(head, at) : 0;
    case 7:
      return sameWord(bytes, name, UPGRADE) ? noteUpgrade(head, index) : 0;
    case 10:
      return noteConnection(head, index, name);
    case 14:
      return noteFourteen(head, index, name);
    case 16:
      return sameWord(bytes, name, PROXY_CONNECTION) ? mark(head, index, KIND.hop) : 0;
    case 17:
      return sameWord(bytes, name, TRANSFER_ENCODING) ? noteCoding(head, at) : 0;
    default:
      return 0;
  }
}

/** What can only be judged once all fields of a request are known. Returns 0 or a PROBLEM. */
export function finishRequest(head: Head): number {
  const problem = finishBoth(head);
  if (problem < 0) return problem;
  if ((head.seen & SEEN.host) === 0 && head.minor === 1) return PROBLEM.host;
  if (!isAuthority(head.bytes, head.hostStart, head.hostEnd)) return PROBLEM.host;
  if (head.form === FORM.origin || head.form === FORM.asterisk) {
    head.authorityStart = head.hostStart;
    head.authorityEnd = head.hostEnd;
  } else if (head.form === FORM.absolute)
    head.hostReplaced = (head.seen & SEEN.host) !== 0 && hostDiffers(head);
  // A CONNECT's body has no meaning (RFC 9110 section 9.3.6): one side would read it as tunnel bytes.
  if (head.method === METHOD.connect && (head.chunked || head.contentLength > 0))
    return PROBLEM.connectBody;
  return 0;
}

/** The same for a response. */
export function finishResponse(head: Head): number {
  const problem = finishBoth(head);
  if (problem < 0) return problem;
  // RFC 9112 section 6.1 and RFC 9110 section 8.6: 1xx and 204 announce no body; a reader who believes one desyncs.
  const bodiless = head.status < 200 || head.status === 204;
  return bodiless && (head.chunked || head.contentLength > 0) ? PROBLEM.bodyForbidden : 0;
}

function finishBoth(head: Head): number {
  const seen = head.seen;
  const framing = SEEN.length | SEEN.coding;
  if ((seen & framing) === framing) return PROBLEM.lengthAndCoding;
  if (head.chunked && head.minor === 0) return PROBLEM.codingInOld;
  const close = (seen & SEEN.close) !== 0;
  head.keepAlive = !close && (head.minor === 1 || (seen & SEEN.keepAlive) !== 0);
  const upgrade = SEEN.upgradeListed | SEEN.upgradeField;
  // h2c would carry frames this codec does not see; a server may always ignore an upgrade (RFC 9110 section 7.8).
  head.upgrade = (seen & (upgrade | SEEN.h2c)) === upgrade && head.minor === 1;
  if (head.minor === 0) head.expectContinue = false;
  return (seen & SEEN.others) === 0 ? 0 : dropListed(head);
}

function mark(head: Head, index: number, kind: number): number {
  head.kinds[index] = kind;
  head.special++;
  return 0;
}

function noteFourteen(head: Head, index: number, name: number): number {
  if (sameWord(head.bytes, name, CONTENT_LENGTH)) return noteLength(head, index * LINE);
  return sameWord(head.bytes, name, HTTP2_SETTINGS) ? mark(head, index, KIND.hop) : 0;
}

function noteHost(head: Head, index: number): number {
  if ((head.seen & SEEN.host) !== 0) return PROBLEM.host;
  head.seen |= SEEN.host;
  head.kinds[index] = KIND.host;
  head.hostStart = head.lines[index * LINE + 2] as number;
  head.hostEnd = head.lines[index * LINE + 3] as number;
  return 0;
}

function noteExpect(head: Head, at: number): number {
  const start = head.lines[at + 2] as number;
  if (isWord(head.bytes, start, head.lines[at + 3] as number, CONTINUE)) head.expectContinue = true;
  return 0;
}

function noteTe(head: Head, index: number): number {
  if (listHas(head, index, TRAILERS)) head.teTrailers = true;
  return mark(head, index, KIND.te);
}

function noteUpgrade(head: Head, index: number): number {
  head.seen |= SEEN.upgradeField;
  if (listHas(head, index, H2C)) head.seen |= SEEN.h2c;
  return mark(head, index, KIND.upgrade);
}

function noteConnection(head: Head, index: number, name: number): number {
  if (sameWord(head.bytes, name, KEEP_ALIVE)) return mark(head, index, KIND.hop);
  if (!sameWord(head.bytes, name, CONNECTION)) return 0;
  item.end = head.lines[index * LINE + 2] as number;
  const end = head.lines[index * LINE + 3] as number;
  while (nextListItem(head.bytes, item, end)) {
    const bit = connectionWord(head.bytes);
    if (bit < 0) return bit;
    if (bit === SEEN.others && ++head.listed > MAX_LISTED) return PROBLEM.connectionList;
    head.seen |= bit;
  }
  return mark(head, index, KIND.hop);
}

/** The SEEN bit of the Connection option in `item`, or a PROBLEM: a listed framing field would be dropped by the next proxy. */
function connectionWord(bytes: Uint8Array): number {
  const { start, end } = item;
  switch (end - start) {
    case 2:
      return sameWord(bytes, start, TE) ? 0 : SEEN.others;
    case 4:
      return sameWord(bytes, start, HOST) ? PROBLEM.connectionList : SEEN.others;
    case 5:
      return sameWord(bytes, start, CLOSE) ? SEEN.close : SEEN.others;
    case 7:
      return sameWord(bytes, start, UPGRADE) ? SEEN.upgradeListed : SEEN.others;
    case 10:
      return sameWord(bytes, start, KEEP_ALIVE) ? SEEN.keepAlive : SEEN.others;
    case 14:
      return sameWord(bytes, start, CONTENT_LENGTH) ? PROBLEM.connectionList : SEEN.others;
    case 17:
      return sameWord(bytes, start, TRANSFER_ENCODING) ? PROBLEM.connectionList : SEEN.others;
    default:
      return SEEN.others;
  }
}

/** `1*DIGIT` without a sign, a list, a leading zero (octal to some) or an overflow; once. */
function noteLength(head: Head, at: number): number {
  if ((head.seen & SEEN.length) !== 0) return PROBLEM.lengthTwice;
  head.seen |= SEEN.length;
  const start = head.lines[at + 2] as number;
  if (hasTabAround(head, at)) return PROBLEM.contentLength;
  const digits = (head.lines[at + 3] as number) - start;
  if (digits === 0 || digits > MAX_LENGTH_DIGITS) return PROBLEM.contentLength;
  if (digits > 1 && head.bytes[start] === ZERO) return PROBLEM.contentLength;
  let length = 0;
  for (let i = 0; i < digits; i++) {
    const digit = (head.bytes[start + i] as number) - ZERO;
    if (digit < 0 || digit > 9) return PROBLEM.contentLength;
    length = length * 10 + digit;
  }
  head.contentLength = length;
  return 0;
}

/** Only `chunked`, once: the mesh passes bodies through and never undoes another coding. */
function noteCoding(head: Head, at: number): number {
  if ((head.seen & SEEN.coding) !== 0) return PROBLEM.transferCoding;
  head.seen |= SEEN.coding;
  const start = head.lines[at + 2] as number;
  const end = head.lines[at + 3] as number;
  if (hasTabAround(head, at)) return PROBLEM.transferCoding;
  if (!isWord(head.bytes, start, end, CHUNKED)) return otherCoding(head.bytes, start, end);
  head.chunked = true;
  return 0;
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

function listHas(head: Head, index: number, word: Uint8Array): boolean {
  item.end = head.lines[index * LINE + 2] as number;
  const end = head.lines[index * LINE + 3] as number;
  while (nextListItem(head.bytes, item, end))
    if (isWord(head.bytes, item.start, item.end, word)) return true;
  return false;
}

/** Marks every field that Connection lists (RFC 9110 section 7.6.1), wherever it stands. Rare, so not fast. */
function dropListed(head: Head): number {
  for (let i = 0; i < head.count; i++) {
    if (head.kinds[i] !== KIND.hop) continue;
    const at = i * LINE;
    const name = head.lines[at] as number;
    if (!isWord(head.bytes, name, head.lines[at + 1] as number, CONNECTION)) continue;
    item.end = head.lines[at + 2] as number;
    while (nextListItem(head.bytes, item, head.lines[at + 3] as number)) dropNamed(head);
  }
  return 0;
}

function dropNamed(head: Head): void {
  for (let i = 0; i < head.count; i++) {
    const start = head.lines[i * LINE] as number;
    const end = head.lines[i * LINE + 1] as number;
    if (head.kinds[i] === KIND.endToEnd && sameRange(head.bytes, item, start, end))
      mark(head, i, KIND.hop);
  }
}

function hostDiffers(head: Head): boolean {
  const host: Range = { start: head.hostStart, end: head.hostEnd };
  return !sameRange(head.bytes, host, head.authorityStart, head.authorityEnd);
}

function sameRange(bytes: Uint8Array, range: Range, start: number, end: number): boolean {
  if (range.end - range.start !== end - start) return false;
  for (let i = range.start, o = start; o < end; i++, o++)
    if (LOWER[bytes[i] as number] !== LOWER[bytes[o] as number]) return false;
  return true;
}

function interesting(): Uint8Array {
  const table = new Uint8Array((LONGEST_NAME + 1) << 8);
  const names = [TE, HOST, EXPECT, UPGRADE, CONNECTION, KEEP_ALIVE, CONTENT_LENGTH];
  for (const name of [...names, PROXY_CONNECTION, TRANSFER_ENCODING, HTTP2_SETTINGS])
    for (let first = 0; first < 256; first++)
      if (LOWER[first] === name[0]) table[(name.length << 8) | first] = 1;
  return table;
}
