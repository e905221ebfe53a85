/** The Connection field: what it says of this connection, and what the next hop is told instead. */

import { KIND, PROBLEM, SEEN } from "./codes.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, COMMA, copy, isWord, SP, sameWord } from "./octets.ts";
import { nextListItem, type Range } from "./ranges.ts";

/** What the next hop is told about the connection: `none` is what its version takes for granted. */
export type ConnectionOption = "none" | "keep-alive" | "close";

const TE = ascii("te");
const HOST = ascii("host");
const CLOSE = ascii("close");
const UPGRADE = ascii("upgrade");
const KEEP_ALIVE = ascii("keep-alive");
const CONTENT_LENGTH = ascii("content-length");
const HTTP2_SETTINGS = ascii("http2-settings");
const TRANSFER_ENCODING = ascii("transfer-encoding");

const FIELD = ascii("Connection: ");
const CRLF = ascii("\r\n");
const WORDS: Readonly<Record<ConnectionOption, Uint8Array>> = {
  none: ascii(""),
  close: CLOSE,
  "keep-alive": KEEP_ALIVE,
};

/** Names that Connection may list besides its own options: a proxy behind us looks for each among all fields, a square. */
const MAX_LISTED = 32;
/** The name, its own options and the separators that joining lines may add. */
export const CONNECTION_ROOM: number = 64 + 2 * MAX_LISTED;

/** Scratch of the list walks; a walk never spans two calls. */
const item: Range = { start: 0, end: 0 };

/** Takes note of what a Connection field lists. Returns 0 or a PROBLEM. */
export function noteConnection(head: Head, index: number): number {
  item.end = head.lines[index * LINE + 2] as number;
  const end = head.lines[index * LINE + 3] as number;
  head.kinds[index] = KIND.connection;
  while (nextListItem(head.bytes, item, end)) {
    const bit = connectionWord(head.bytes);
    if (bit < 0) return bit;
    if (bit === 0 && ++head.listed > MAX_LISTED) return PROBLEM.connectionList;
    head.seen |= bit;
  }
  return 0;
}

const SPEAKING = SEEN.close | SEEN.keepAlive | SEEN.h2c | SEEN.teListed;

/** Whether the Connection fields as they came tell the next hop this, so that they can stay as they are. */
export function connectionAgrees(head: Head, option: ConnectionOption): boolean {
  const { seen } = head;
  if ((seen & SPEAKING) === 0) return option === "none";
  // What they list is gone: h2c and its settings, or a TE field.
  if ((seen & SEEN.h2c) !== 0 || ((seen & SEEN.teListed) !== 0 && isTeGone(seen))) return false;
  const close = (seen & SEEN.close) !== 0;
  const keepAlive = (seen & SEEN.keepAlive) !== 0;
  if (option === "close") return close && !keepAlive;
  if (option === "keep-alive") return keepAlive && !close;
  return head.minor === 0 ? !keepAlive : !close;
}

/**
 * Writes the one Connection field that stands for those of the head, at `at`: the option, and what else they listed, which
 * is not ours to take away. Returns the offset behind it.
 */
export function writeConnection(
  head: Head,
  option: ConnectionOption,
  into: Uint8Array,
  at: number,
): number {
  const first = copy(FIELD, 0, FIELD.length, into, at);
  let behind = first;
  for (let i = 0; i < head.count; i++) {
    if (head.kinds[i] !== KIND.connection) continue;
    item.end = head.lines[i * LINE + 2] as number;
    const end = head.lines[i * LINE + 3] as number;
    while (nextListItem(head.bytes, item, end))
      if (connectionWord(head.bytes) === 0 && !isGoneWithH2c(head))
        behind = word(head.bytes, item.start, item.end, into, behind, first);
  }
  const { seen } = head;
  if ((seen & SEEN.upgradeListed) !== 0 && (seen & SEEN.h2c) === 0)
    behind = word(UPGRADE, 0, UPGRADE.length, into, behind, first);
  if ((seen & SEEN.teListed) !== 0 && !isTeGone(seen))
    behind = word(TE, 0, TE.length, into, behind, first);
  const said = WORDS[option];
  if (said.length > 0) behind = word(said, 0, said.length, into, behind, first);
  return behind === first ? at : copy(CRLF, 0, CRLF.length, into, behind);
}

function word(
  bytes: Uint8Array,
  start: number,
  end: number,
  into: Uint8Array,
  at: number,
  first: number,
): number {
  let behind = at;
  if (at !== first) {
    into[behind++] = COMMA;
    into[behind++] = SP;
  }
  return copy(bytes, start, end, into, behind);
}

/** The SEEN bit of the Connection option in `item`, 0 for a field's name, or a PROBLEM: the next proxy would drop a framing field. */
function connectionWord(bytes: Uint8Array): number {
  const { start, end } = item;
  switch (end - start) {
    case 2:
      return sameWord(bytes, start, TE) ? SEEN.teListed : 0;
    case 4:
      return sameWord(bytes, start, HOST) ? PROBLEM.connectionList : 0;
    case 5:
      return sameWord(bytes, start, CLOSE) ? SEEN.close : 0;
    case 7:
      return sameWord(bytes, start, UPGRADE) ? SEEN.upgradeListed : 0;
    case 10:
      return sameWord(bytes, start, KEEP_ALIVE) ? SEEN.keepAlive : 0;
    case 14:
      return sameWord(bytes, start, CONTENT_LENGTH) ? PROBLEM.connectionList : 0;
    case 17:
      return sameWord(bytes, start, TRANSFER_ENCODING) ? PROBLEM.connectionList : 0;
    default:
      return 0;
  }
}

function isGoneWithH2c(head: Head): boolean {
  return (head.seen & SEEN.h2c) !== 0 && isWord(head.bytes, item.start, item.end, HTTP2_SETTINGS);
}

function isTeGone(seen: number): boolean {
  return (seen & (SEEN.teGone | SEEN.teKept)) === SEEN.teGone;
}
