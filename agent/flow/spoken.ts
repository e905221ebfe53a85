/**
 * What a client speaks on a port that is declared HTTP/1, from the first bytes of its connection. Pure. Unlike detect(),
 * which must be sure before it calls anything HTTP, this must be sure before it calls anything *not* HTTP: what looks like
 * a request, however broken, stays HTTP's to judge.
 */

/**
 * What the first bytes are. `http`: a request line, or something that would be one but for its mistakes. `http2-preface`:
 * RFC 9113 section 3.4. `tls`: a handshake record. `proxy`: PROXY protocol, version 1 or 2. `other`: none of these, whatever
 * follows. `undecided`: more bytes may make it any.
 */
export type SpokenFirst = "http" | "http2-preface" | "tls" | "proxy" | "other" | "undecided";

/** A first line longer than this is not waited for: it is HTTP if it begins as a request. */
export const MAX_FIRST_LINE_BYTES: number = 16 * 1024;

const CR = 0x0d;
const LF = 0x0a;
const TAB = 0x09;
const SPACE = 0x20;
const DELETE = 0x7f;
const FIRST_OF_HIGH = 0x80;
const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const LOWER_CASE = 0x20;

/** How they begin, octet by octet. What begins as one of them and goes on otherwise is looked at as a line. */
const OPENINGS: readonly { readonly octets: Uint8Array; readonly spoken: SpokenFirst }[] = [
  { octets: octetsOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), spoken: "http2-preface" },
  // haproxy's proxy-protocol.txt, 2.1 and 2.2.
  { octets: octetsOf("PROXY TCP4 "), spoken: "proxy" },
  { octets: octetsOf("PROXY TCP6 "), spoken: "proxy" },
  { octets: octetsOf("PROXY UNKNOWN"), spoken: "proxy" },
  { octets: octetsOf("\r\n\r\n\0\r\nQUIT\n"), spoken: "proxy" },
  // A record of type handshake (22) and of version 3.0 to 3.4: RFC 8446 section 5.1.
  ...[0, 1, 2, 3, 4].map((minor) => ({
    octets: Uint8Array.of(22, 3, minor),
    spoken: "tls" as const,
  })),
];

const HTTP_NAME = octetsOf("http/");

/**
 * Looks at the first bytes of a connection, `bytes[start, end)`: all that has arrived, from the very first. Once the answer
 * is not `undecided`, more bytes don't change it, so they may come one by one. A connection that ends undecided has sent
 * no request: what it sent is the server's.
 */
export function spokenOf(bytes: Uint8Array, start: number, end: number): SpokenFirst {
  if (start >= end) return "undecided";
  let begun = false;
  for (const { octets, spoken } of OPENINGS) {
    const same = sameOctets(octets, bytes, start, end);
    if (same === octets.length) return spoken;
    begun ||= same === end - start;
  }
  return begun ? "undecided" : spokenInLine(bytes, lineStart(bytes, start, end), end, start);
}

/** RFC 9112 section 2.2: empty lines before the first request are not part of it. */
function lineStart(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && (bytes[at] === CR || bytes[at] === LF)) at++;
  return at;
}

function spokenInLine(
  bytes: Uint8Array,
  start: number,
  end: number,
  first: number,
): "http" | "other" | "undecided" {
  const limit = Math.min(end, first + MAX_FIRST_LINE_BYTES);
  // Neither a method nor a text begins so.
  if (start < limit && !isText(bytes[start] as number)) return "other";
  for (let at = start; at < limit; at++) {
    if (bytes[at] === LF) return namesHttp(bytes, start, at) ? "http" : "other";
    // No line's end may follow: a binary protocol need not send one.
    if (isBinary(bytes[at] as number, at + 1 < limit ? bytes[at + 1] : LF))
      return cutShort(bytes, start, at);
  }
  return end - first < MAX_FIRST_LINE_BYTES ? "undecided" : cutShort(bytes, start, limit);
}

/** Control characters; CR only where it ends no line. */
function isBinary(octet: number, next: number | undefined): boolean {
  if (octet === CR) return next !== LF;
  return octet !== TAB && octet < FIRST_OF_HIGH && !isText(octet);
}

/** A first line that is broken off: the beginning has to do. */
function cutShort(bytes: Uint8Array, start: number, end: number): "http" | "other" {
  return beginsAsRequest(bytes, start, end) || namesHttp(bytes, start, end) ? "http" : "other";
}

/** `GET /`, `GET http:…`, `CONNECT a…`: a method in capitals, a space, and something that may be a target. */
function beginsAsRequest(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && (bytes[at] as number) >= UPPER_A && (bytes[at] as number) <= UPPER_Z) at++;
  return (
    at > start && at + 1 < end && bytes[at] === SPACE && isTargetStart(bytes[at + 1] as number)
  );
}

/** `/`, `*`, a letter of a scheme or host, a digit or `[` of an address. */
function isTargetStart(octet: number): boolean {
  return /[/*a-zA-Z0-9[]/.test(String.fromCharCode(octet));
}

/** Whether `HTTP/` is in it, in any case: a line that says so is HTTP's to judge. */
function namesHttp(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at + HTTP_NAME.length <= end; at++) {
    let same = 0;
    while (
      same < HTTP_NAME.length &&
      ((bytes[at + same] as number) | LOWER_CASE) === HTTP_NAME[same]
    )
      same++;
    if (same === HTTP_NAME.length) return true;
  }
  return false;
}

function isText(octet: number): boolean {
  return octet >= SPACE && octet < DELETE;
}

/** How many octets of an opening the bytes begin with. */
function sameOctets(octets: Uint8Array, bytes: Uint8Array, start: number, end: number): number {
  let same = 0;
  while (same < octets.length && start + same < end && bytes[start + same] === octets[same]) same++;
  return same;
}

function octetsOf(text: string): Uint8Array {
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
}
