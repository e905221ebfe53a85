import { KIND } from "./codes.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, copy } from "./octets.ts";

/** What the next hop is told about the connection: `none` writes no Connection option. */
export type ConnectionOption = "none" | "keep-alive" | "close";

/** How a head changes on its way to the next hop. Reuse one object per worker. */
export interface Rewrite {
  connection: ConnectionOption;
  /** Forward `Upgrade` (and `Connection: Upgrade`). Take `head.upgrade` of a request; of a response true for 101 and 426. */
  keepUpgrade: boolean;
  /** Whole lines, each ending in CR LF, put behind the last field; may be empty. */
  extra: Uint8Array;
}

/** No extra lines. */
export const NO_LINES: Uint8Array = new Uint8Array(0);

const CRLF = ascii("\r\n");
const HOST_FIELD = ascii("Host: ");
const TE_FIELD = ascii("TE: trailers\r\n");

/** Connection lines by option, upgrade and TE; the empty one stands for no line. */
const CONNECTION_LINES: Readonly<Record<ConnectionOption, readonly Uint8Array[]>> = {
  none: connectionLines(),
  "keep-alive": connectionLines("keep-alive"),
  close: connectionLines("close"),
};
const LONGEST_CONNECTION_LINE = 48;

/**
 * The option that tells a peer of HTTP/1.`minor` whether the connection is kept (RFC 9112 section 9.3): nothing
 * when that is its default. Pass the receiver's version, which for a response is the request's.
 */
export function connectionOption(minor: number, keep: boolean): ConnectionOption {
  if (!keep) return "close";
  return minor === 0 ? "keep-alive" : "none";
}

/** Bytes that writeHead may need for this head. */
export function headRoom(head: Head, rewrite: Rewrite): number {
  const host = head.hostReplaced
    ? head.authorityEnd - head.authorityStart + HOST_FIELD.length + 2
    : 0;
  const fixed = LONGEST_CONNECTION_LINE + TE_FIELD.length;
  return head.end - head.start + rewrite.extra.length + host + fixed;
}

/** Whether writeHead would copy the head byte for byte: then it may be sent from where it is. */
export function isVerbatim(head: Head, rewrite: Rewrite): boolean {
  if (head.special !== 0 || head.hostReplaced || head.teTrailers) return false;
  return rewrite.connection === "none" && !rewrite.keepUpgrade && rewrite.extra.length === 0;
}

/**
 * Writes a parsed head for the next hop at the start of `into` and returns its length; -1 when `into` is
 * shorter than headRoom. Hop-by-hop fields go (RFC 9110 section 7.6.1), all other bytes stay as they came, in order.
 */
export function writeHead(head: Head, rewrite: Rewrite, into: Uint8Array): number {
  if (into.length < headRoom(head, rewrite)) return -1;
  const plain = head.special === 0 && !head.hostReplaced;
  let at = plain
    ? copy(head.bytes, head.start, head.end - 2, into, 0)
    : writeKept(head, rewrite, into);
  const te = head.teTrailers ? 1 : 0;
  const line = CONNECTION_LINES[rewrite.connection][(rewrite.keepUpgrade ? 2 : 0) + te] ?? NO_LINES;
  at = copy(line, 0, line.length, into, at);
  at = copy(rewrite.extra, 0, rewrite.extra.length, into, at);
  return copy(CRLF, 0, CRLF.length, into, at);
}

/** Copies start line and fields in runs between the lines that do not cross as they are. */
function writeKept(head: Head, rewrite: Rewrite, into: Uint8Array): number {
  let at = 0;
  let run = head.start;
  for (let i = 0; i < head.count; i++) {
    const kind = head.kinds[i] as number;
    if (kind === KIND.endToEnd || (kind === KIND.upgrade && rewrite.keepUpgrade)) continue;
    if (kind === KIND.host && !head.hostReplaced) continue;
    at = copy(head.bytes, run, head.lines[i * LINE] as number, into, at);
    run = i + 1 < head.count ? (head.lines[(i + 1) * LINE] as number) : head.end - 2;
    if (kind === KIND.host) at = writeHost(head, into, at);
  }
  at = copy(head.bytes, run, head.end - 2, into, at);
  return head.teTrailers ? copy(TE_FIELD, 0, TE_FIELD.length, into, at) : at;
}

function writeHost(head: Head, into: Uint8Array, at: number): number {
  const name = copy(HOST_FIELD, 0, HOST_FIELD.length, into, at);
  const value = copy(head.bytes, head.authorityStart, head.authorityEnd, into, name);
  return copy(CRLF, 0, CRLF.length, into, value);
}

function connectionLines(option?: string): Uint8Array[] {
  return [[], ["TE"], ["Upgrade"], ["Upgrade", "TE"]].map((words) => {
    const all = option === undefined ? words : [...words, option];
    return ascii(all.length === 0 ? "" : `Connection: ${all.join(", ")}\r\n`);
  });
}
