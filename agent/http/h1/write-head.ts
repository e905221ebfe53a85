import { KIND } from "./codes.ts";
import {
  CONNECTION_ROOM,
  type ConnectionOption,
  connectionAgrees,
  writeConnection,
} from "./connection.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, CR, copy, HT, LF, SP } from "./octets.ts";

/** How a head changes on its way to the next hop. Reuse one object per worker. */
export interface Rewrite {
  connection: ConnectionOption;
  /** Whole lines, each ending in CR LF, put behind the last field; may be empty. */
  extra: Uint8Array;
}

/** No extra lines. */
export const NO_LINES: Uint8Array = new Uint8Array(0);

const CRLF = ascii("\r\n");
const COLON_SPACE = ascii(": ");
const HOST_NAME = ascii("Host");
const TRAILERS = ascii("trailers");
const CHUNKED = ascii("chunked");
const ZERO = 48;
/** The spaces that Content-Length and Transfer-Encoding may gain behind their colon; other lines only get shorter. */
const SPACES = 2;

/**
 * The option that tells a peer of HTTP/1.`receiver` whether the connection is kept (RFC 9112 section 9.3) in a head of
 * HTTP/1.`written`: nothing when both take it for granted. The receiver of a response is who sent the request.
 */
export function connectionOption(
  receiver: number,
  written: number,
  keep: boolean,
): ConnectionOption {
  if (keep) return receiver === 0 || written === 0 ? "keep-alive" : "none";
  return written === 0 ? "none" : "close";
}

/** Bytes that writeHead may need for this head. */
export function headRoom(head: Head, rewrite: Rewrite): number {
  const host = head.hostReplaced ? head.authorityEnd - head.authorityStart : 0;
  return head.end - head.start + rewrite.extra.length + host + SPACES + CONNECTION_ROOM;
}

/** Whether writeHead would copy the head byte for byte: then it may be sent from where it is. */
export function isVerbatim(head: Head, rewrite: Rewrite): boolean {
  if (head.special !== 0 || head.hostReplaced || rewrite.extra.length !== 0) return false;
  return connectionAgrees(head, rewrite.connection);
}

/**
 * Writes a parsed head for the next hop at the start of `into` and returns its length; -1 when `into` is shorter than
 * headRoom. Only what docs/http.md calls normalised changes, all other bytes stay as they came, in order.
 */
export function writeHead(head: Head, rewrite: Rewrite, into: Uint8Array): number {
  if (into.length < headRoom(head, rewrite)) return -1;
  const agrees = connectionAgrees(head, rewrite.connection);
  let at =
    head.special === 0 && !head.hostReplaced && agrees
      ? copy(head.bytes, head.start, head.end - 2, into, 0)
      : writeKept(head, agrees, into);
  if (!agrees) at = writeConnection(head, rewrite.connection, into, at);
  at = copy(rewrite.extra, 0, rewrite.extra.length, into, at);
  return copy(CRLF, 0, CRLF.length, into, at);
}

/** Copies start line and fields in runs between the lines that do not cross as they are. */
function writeKept(head: Head, agrees: boolean, into: Uint8Array): number {
  let at = 0;
  let run = head.start;
  for (let i = 0; i < head.count; i++) {
    const kind = head.kinds[i] as number;
    if (kind === KIND.endToEnd || (kind === KIND.connection && agrees)) continue;
    if (kind === KIND.host && !head.hostReplaced) continue;
    at = copy(head.bytes, run, head.lines[i * LINE] as number, into, at);
    run = i + 1 < head.count ? (head.lines[(i + 1) * LINE] as number) : head.end - 2;
    at = writeField(head, i, into, at);
  }
  return copy(head.bytes, run, head.end - 2, into, at);
}

/** Writes what stands for field `index`, perhaps nothing. */
function writeField(head: Head, index: number, into: Uint8Array, at: number): number {
  const kind = head.kinds[index] as number;
  if (kind === KIND.gone || kind === KIND.connection) return at;
  const line = index * LINE;
  const name = head.lines[line] as number;
  const value =
    kind === KIND.host
      ? copy(HOST_NAME, 0, HOST_NAME.length, into, at)
      : copy(head.bytes, name, head.lines[line + 1] as number, into, at);
  const from = copy(COLON_SPACE, 0, COLON_SPACE.length, into, value);
  return copy(CRLF, 0, CRLF.length, into, writeValue(head, index, into, from));
}

function writeValue(head: Head, index: number, into: Uint8Array, at: number): number {
  const line = index * LINE;
  switch (head.kinds[index]) {
    case KIND.host:
      return copy(head.bytes, head.authorityStart, head.authorityEnd, into, at);
    case KIND.te:
      return copy(TRAILERS, 0, TRAILERS.length, into, at);
    case KIND.coding:
      return copy(CHUNKED, 0, CHUNKED.length, into, at);
    case KIND.length:
      return writeDecimal(head.contentLength, into, at);
    default:
      return writeJoined(
        head,
        head.lines[line + 2] as number,
        head.lines[line + 3] as number,
        into,
        at,
      );
  }
}

/** Each fold, with the white space around it, becomes one space. */
function writeJoined(head: Head, start: number, end: number, into: Uint8Array, at: number): number {
  const { bytes } = head;
  let behind = at;
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    if (byte !== CR) {
      into[behind++] = byte;
      continue;
    }
    while (behind > at && isGap(into[behind - 1])) behind--;
    while (isGap(bytes[i + 1]) || bytes[i + 1] === LF || bytes[i + 1] === CR) i++;
    into[behind++] = SP;
  }
  return behind;
}

function isGap(byte: number | undefined): boolean {
  return byte === SP || byte === HT;
}

function writeDecimal(value: number, into: Uint8Array, at: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  let rest = value;
  for (let i = at + digits - 1; i >= at; i--) {
    into[i] = ZERO + (rest % 10);
    rest = Math.floor(rest / 10);
  }
  return at + digits;
}
