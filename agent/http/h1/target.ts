import { FORM, METHOD, PROBLEM } from "./codes.ts";
import type { Head } from "./head.ts";
import { byteClass, COLON, HOST, SLASH, skip } from "./octets.ts";

const STAR = 42;
const PERCENT = 37;
const QUESTION = 63;
const HASH = 35;
const OPEN_BRACKET = 91;
const CLOSE_BRACKET = 93;

/** Twice the longest DNS name: it may have to be written once more, as Host. */
const MAX_AUTHORITY_BYTES = 512;

/** For ports. */
const DIGITS = byteClass(/[0-9]/);
const HEX_DIGITS = byteClass(/[0-9A-Fa-f]/);
/** What may stand between the brackets of an IPv6 literal. */
const IPV6 = byteClass(/[0-9A-Fa-f:.]/);
/** RFC 3986 section 3.1. */
const SCHEME = byteClass(/[0-9A-Za-z+\-.]/);
const SCHEME_FIRST = byteClass(/[A-Za-z]/);

/**
 * Decides the target's form and sets path and authority (RFC 9112 section 3.2). The target's bytes are
 * already known to be valid. Returns 1, or PROBLEM.target when it is unclear whose authority counts: the target's or Host.
 */
export function classifyTarget(head: Head): number {
  const first = head.bytes[head.targetStart];
  if (head.method === METHOD.connect) return authorityForm(head);
  if (first === SLASH) {
    head.form = FORM.origin;
    return 1;
  }
  if (first === STAR && head.targetEnd === head.targetStart + 1) {
    head.form = FORM.asterisk;
    return 1;
  }
  return hasColonFirst(head) ? absoluteForm(head) : otherForm(head);
}

/**
 * Whether `[start, end)` is `host` or `host:port` (RFC 9112 section 3.2, RFC 3986 section 3.2). An empty range is:
 * a target without an authority has an empty Host. Commas are refused: they stand between two merged fields.
 */
export function isAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  const hostEnd = hostPart(bytes, start, end);
  if (hostEnd === end) return true;
  if (hostEnd < 0 || bytes[hostEnd] !== COLON || hostEnd === start) return false;
  return end - hostEnd <= 6 && skip(DIGITS, bytes, hostEnd + 1, end) === end;
}

/** The offset behind the host, or -1. */
function hostPart(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] !== OPEN_BRACKET || start === end) return regName(bytes, start, end);
  const close = skip(IPV6, bytes, start + 1, end);
  if (close >= end || close < start + 3 || bytes[close] !== CLOSE_BRACKET) return -1;
  return close + 1;
}

/** The offset behind a reg-name, whose percent signs must begin an encoded octet (RFC 3986 section 2.1). */
function regName(bytes: Uint8Array, start: number, end: number): number {
  let at = skip(HOST, bytes, start, end);
  while (at < end && bytes[at] === PERCENT) {
    if (skip(HEX_DIGITS, bytes, at + 1, Math.min(at + 3, end)) !== at + 3) return -1;
    at = skip(HOST, bytes, at + 3, end);
  }
  return at;
}

/** `x:80`, `http:p`, `[::1]:80`: what comes before may be a scheme or a host. */
function hasColonFirst({ bytes, targetStart, targetEnd }: Head): boolean {
  for (let at = targetStart; at < targetEnd; at++) {
    const byte = bytes[at];
    if (byte === COLON) return true;
    if (byte === SLASH || byte === QUESTION || byte === HASH) return false;
  }
  return false;
}

/** `index.html`, `?q`: no form of HTTP, but nothing in it can be taken for an authority. The server knows what it means. */
function otherForm(head: Head): number {
  head.form = FORM.other;
  return 1;
}

function authorityForm(head: Head): number {
  const { bytes, targetStart: start, targetEnd: end } = head;
  const colon = bytes.lastIndexOf(COLON, end - 1);
  // CONNECT needs the port: there is no scheme to take a default from (RFC 9110 section 9.3.6).
  if (colon <= start || colon + 1 === end || !isAuthority(bytes, start, end)) return PROBLEM.target;
  head.form = FORM.authority;
  head.pathEnd = head.pathStart;
  setAuthority(head, start, end);
  return 1;
}

/** `scheme://authority[/path][?query]`. User information is refused, as RFC 9110 section 4.2.4 advises. */
function absoluteForm(head: Head): number {
  const { bytes, targetStart: start, targetEnd: end } = head;
  const colon = skip(SCHEME, bytes, start, end);
  const authority = colon + 3;
  if (colon === start || authority >= end || bytes[colon] !== COLON) return PROBLEM.target;
  if (SCHEME_FIRST[bytes[start] as number] === 0) return PROBLEM.target;
  if (bytes[colon + 1] !== SLASH || bytes[colon + 2] !== SLASH) return PROBLEM.target;
  let stop = authority;
  while (stop < head.pathEnd && bytes[stop] !== SLASH) stop++;
  if (stop === authority || stop - authority > MAX_AUTHORITY_BYTES) return PROBLEM.target;
  if (!isAuthority(bytes, authority, stop)) return PROBLEM.target;
  head.form = FORM.absolute;
  head.pathStart = stop;
  setAuthority(head, authority, stop);
  return 1;
}

function setAuthority(head: Head, start: number, end: number): void {
  head.authorityStart = start;
  head.authorityEnd = end;
}
