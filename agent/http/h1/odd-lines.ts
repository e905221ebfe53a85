/** Field lines that are out of the ordinary: names that are no token, values that go on in the next line. Rare, so not fast. */

import { KIND, PROBLEM } from "./codes.ts";
import { isKnown } from "./fields.ts";
import { type Head, LINE } from "./head.ts";
import { ascii, byteClass, COLON, CR, LF, LOWER, NAME, skip, skipText } from "./octets.ts";

const GAP = byteClass(/[ \t]/);
const LETTERS = byteClass(/[A-Za-z]/);
/** Names that decide about framing or about whose request it is, by their letters alone. */
const DECIDING: readonly Uint8Array[] = [
  "contentlength",
  "transferencoding",
  "connection",
  "host",
].map(ascii);
const LONGEST_DECIDING = 16;

/**
 * The offset behind the name at `head.next`, of which the bytes before `at` are a token's; `at` itself when it has no more
 * bytes that may stand in a name. PROBLEM.fieldName for a name that a reader who drops or replaces odd bytes would take for
 * one that decides (`"Content-Length"`).
 */
export function oddName(head: Head, at: number): number {
  const { bytes, limit, next: start } = head;
  const end = skip(NAME, bytes, at, limit);
  if (end === limit || bytes[end] !== COLON || end === start) return end;
  return seemsDeciding(bytes, start, end) ? PROBLEM.fieldName : end;
}

/**
 * The line at `head.next` continues the value of field `index` (obs-fold, RFC 9112 section 5.2). Moves `head.next`
 * behind it and returns that, 0 (more bytes) or a PROBLEM: a line of nothing but white space ends the head for some readers, one that looks like a
 * deciding field is one for those who trim, and the fields that the proxy has to know may not be folded at all.
 */
export function continueField(head: Head, index: number): number {
  const { bytes, limit, lines } = head;
  const stop = skipText(bytes, head.next, limit);
  const isUnfinished = stop === limit || (bytes[stop] === CR && stop + 1 === limit);
  if (isUnfinished) {
    head.scanned = stop;
    return 0;
  }
  if (bytes[stop] !== CR || bytes[stop + 1] !== LF)
    return bytes[stop] === CR || bytes[stop] === LF ? PROBLEM.lineEnd : PROBLEM.fieldValue;
  const at = index * LINE;
  if (isKnown(bytes, lines[at] as number, lines[at + 1] as number)) return PROBLEM.obsFold;
  const first = skip(GAP, bytes, head.next, stop);
  if (first === stop || seemsField(bytes, first, stop)) return PROBLEM.obsFold;
  if (lines[at + 2] === lines[at + 3]) lines[at + 2] = first;
  lines[at + 3] = lastBehind(bytes, stop);
  if (head.kinds[index] !== KIND.folded) head.special++;
  head.kinds[index] = KIND.folded;
  head.next = stop + 2;
  return head.next;
}

/** The offset behind the last byte before `stop` that is no white space. There is one. */
function lastBehind(bytes: Uint8Array, stop: number): number {
  let last = stop;
  while (GAP[bytes[last - 1] as number] === 1) last--;
  return last;
}

/** Whether a reader who trims lines sees a deciding field. */
function seemsField(bytes: Uint8Array, start: number, stop: number): boolean {
  const name = skip(NAME, bytes, start, stop);
  return bytes[skip(GAP, bytes, name, stop)] === COLON && seemsDeciding(bytes, start, name);
}

/** Whether the name is a deciding one to somebody who looks at its letters only. */
function seemsDeciding(bytes: Uint8Array, start: number, end: number): boolean {
  let letters = 0;
  const seen = new Uint8Array(LONGEST_DECIDING);
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (LETTERS[byte] === 0) continue;
    if (letters === LONGEST_DECIDING) return false;
    seen[letters++] = LOWER[byte] as number;
  }
  return DECIDING.some(
    (name) => name.length === letters && name.every((byte, i) => byte === seen[i]),
  );
}
