import { COMMA, HT, SP } from "./octets.ts";

/** A mutable pair of offsets, reused by its owner so that look-ups allocate nothing. */
export interface Range {
  start: number;
  end: number;
}

/**
 * Moves `range` to the next item of the comma list that ends at `end`: the first call is made with
 * `range.end` at the list's start. White space around items is left out, empty items are skipped
 * (RFC 9110 section 5.6.1). Returns false when there is none.
 */
export function nextListItem(bytes: Uint8Array, range: Range, end: number): boolean {
  let at = range.end;
  while (at < end && isGap(bytes[at])) at++;
  if (at >= end) return false;
  range.start = at;
  while (at < end && bytes[at] !== COMMA) at++;
  while (at > range.start && isGap(bytes[at - 1])) at--;
  range.end = at;
  return true;
}

function isGap(byte: number | undefined): boolean {
  return byte === SP || byte === HT || byte === COMMA;
}
