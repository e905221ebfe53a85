/** The fields that the proxy has to know, each noted as its line is read; and what only all of them together can say. */

import { FORM, KIND, METHOD, PROBLEM, SEEN } from "./codes.ts";
import { noteConnection } from "./connection.ts";
import { finishFraming, noteCoding, noteLength } from "./framing.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, isWord, LOWER, sameWord } from "./octets.ts";
import { nextListItem, type Range } from "./ranges.ts";
import { isAuthority } from "./target.ts";

const TE = ascii("te");
const HOST = ascii("host");
const EXPECT = ascii("expect");
const UPGRADE = ascii("upgrade");
const CONNECTION = ascii("connection");
const CONTENT_LENGTH = ascii("content-length");
const TRANSFER_ENCODING = ascii("transfer-encoding");
const HTTP2_SETTINGS = ascii("http2-settings");
const TRAILERS = ascii("trailers");
const CONTINUE = ascii("100-continue");
const H2C = ascii("h2c");

/** What the proxy reads or writes of a head. */
const KNOWN: readonly Uint8Array[] = [
  TE,
  HOST,
  EXPECT,
  UPGRADE,
  CONNECTION,
  CONTENT_LENGTH,
  TRANSFER_ENCODING,
];

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

/** Whether `[start, end)` is the name of a field that noteField knows. */
export function isKnown(bytes: Uint8Array, start: number, end: number): boolean {
  return KNOWN.some((name) => isWord(bytes, start, end, name));
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
      return sameWord(bytes, name, CONNECTION) ? noteConnection(head, index) : 0;
    case 14:
      return sameWord(bytes, name, CONTENT_LENGTH) ? noteLength(head, index) : 0;
    case 17:
      return sameWord(bytes, name, TRANSFER_ENCODING) ? noteCoding(head, index) : 0;
    default:
      return 0;
  }
}

/** What can only be judged once all fields of a request are known. Returns 0 or a PROBLEM. */
export function finishRequest(head: Head): number {
  const problem = finishBoth(head);
  if (problem < 0) return problem;
  if ((head.seen & SEEN.h2c) !== 0) dropH2c(head);
  if ((head.seen & SEEN.host) === 0 && head.minor === 1) return PROBLEM.host;
  if (!isAuthority(head.bytes, head.hostStart, head.hostEnd)) return PROBLEM.host;
  if (head.form === FORM.absolute)
    head.hostReplaced = (head.seen & SEEN.host) !== 0 && hostDiffers(head);
  else if (head.form !== FORM.authority) {
    head.authorityStart = head.hostStart;
    head.authorityEnd = head.hostEnd;
  }
  // A CONNECT's body has no meaning (RFC 9110 section 9.3.6): one side would read it as tunnel bytes.
  if (head.method === METHOD.connect && (head.chunked || head.contentLength > 0))
    return PROBLEM.connectBody;
  return 0;
}

/** The same for a response. */
export function finishResponse(head: Head): number {
  return finishBoth(head);
}

function finishBoth(head: Head): number {
  const { seen, minor } = head;
  const close = (seen & SEEN.close) !== 0;
  head.keepAlive = !close && (minor === 1 || (seen & SEEN.keepAlive) !== 0);
  // Whether Connection lists it or not: a server that takes it up says so with 101, and means it.
  head.upgrade = (seen & (SEEN.upgradeField | SEEN.h2c)) === SEEN.upgradeField && minor === 1;
  if (minor === 0) head.expectContinue = false;
  const framing = seen & (SEEN.length | SEEN.coding);
  return framing === 0 || (framing === SEEN.length && hasBody(head)) ? 0 : finishFraming(head);
}

/** Whether there may be a body: in every request, and in answers but some. */
function hasBody({ status }: Head): boolean {
  return status === 0 || (status >= 200 && status !== 204);
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

/** Only `trailers` crosses: a server that is told of another coding may use it, and the mesh passes none. */
function noteTe(head: Head, index: number): number {
  const at = index * LINE;
  const plain = isWord(
    head.bytes,
    head.lines[at + 2] as number,
    head.lines[at + 3] as number,
    TRAILERS,
  );
  const trailers = plain || listHas(head, index, TRAILERS);
  head.seen |= trailers || head.status !== 0 ? SEEN.teKept : SEEN.teGone;
  if (plain || head.status !== 0) return 0;
  head.kinds[index] = trailers ? KIND.te : KIND.gone;
  head.special++;
  return 0;
}

function noteUpgrade(head: Head, index: number): number {
  head.seen |= SEEN.upgradeField;
  // h2c would carry frames this codec does not see; a server may always ignore an upgrade (RFC 9110 section 7.8).
  if (head.status === 0 && listHas(head, index, H2C)) head.seen |= SEEN.h2c;
  return 0;
}

/** The whole offer goes (RFC 9110 section 7.8), wherever it stands. Rare, so not fast. */
function dropH2c(head: Head): void {
  for (let i = 0; i < head.count; i++) {
    const start = head.lines[i * LINE] as number;
    const end = head.lines[i * LINE + 1] as number;
    if (!isWord(head.bytes, start, end, UPGRADE) && !isWord(head.bytes, start, end, HTTP2_SETTINGS))
      continue;
    head.kinds[i] = KIND.gone;
    head.special++;
  }
}

function listHas(head: Head, index: number, word: Uint8Array): boolean {
  item.end = head.lines[index * LINE + 2] as number;
  const end = head.lines[index * LINE + 3] as number;
  while (nextListItem(head.bytes, item, end))
    if (isWord(head.bytes, item.start, item.end, word)) return true;
  return false;
}

function hostDiffers({
  bytes,
  hostStart,
  hostEnd,
  authorityStart: start,
  authorityEnd: end,
}: Head): boolean {
  if (hostEnd - hostStart !== end - start) return true;
  for (let i = hostStart, o = start; o < end; i++, o++)
    if (LOWER[bytes[i] as number] !== LOWER[bytes[o] as number]) return true;
  return false;
}

function interesting(): Uint8Array {
  const table = new Uint8Array((LONGEST_NAME + 1) << 8);
  for (const name of KNOWN)
    for (let first = 0; first < 256; first++)
      if (LOWER[first] === name[0]) table[(name.length << 8) | first] = 1;
  return table;
}
