import { PROBLEM } from "./codes.ts";
import { finishRequest, finishResponse, isInteresting, noteField } from "./fields.ts";
import { type Head, LINE, STAGE } from "./head.ts";
import { COLON, CR, HT, LF, SP, skipText, skipToken } from "./octets.ts";
import { parseRequestLine, parseStatusLine } from "./start-line.ts";

/**
 * Parses the request head shown by `head.feed`. Returns the offset behind the blank line, 0 when more
 * bytes are needed, or a (negative) PROBLEM. Each line is looked at no more than a few times however its
 * bytes arrive. A refused head is never resumed: the connection's bytes have no known meaning any more.
 */
export function parseRequest(head: Head): number {
  if (head.stage === STAGE.startLine) {
    const at = resumable(head) ? parseRequestLine(head) : 0;
    if (at <= 0) return stopped(head, at);
    enterFields(head, at);
  }
  const at = parseFields(head);
  if (at <= 0) return stopped(head, at);
  return finished(head, at, finishRequest(head));
}

/** The same for a response head. */
export function parseResponse(head: Head): number {
  if (head.stage === STAGE.startLine) {
    const at = resumable(head) ? parseStatusLine(head) : 0;
    if (at <= 0) return stopped(head, at);
    enterFields(head, at);
  }
  const at = parseFields(head);
  if (at <= 0) return stopped(head, at);
  return finished(head, at, finishResponse(head));
}

/**
 * Whether the unfinished line at `head.next` is worth parsing (again): only when something other than
 * text has arrived behind what was looked at before. Keeps a byte-at-a-time sender from costing a square.
 */
function resumable(head: Head): boolean {
  if (head.scanned === head.next) return true;
  head.scanned = skipText(head.bytes, head.scanned, head.limit);
  return head.scanned < head.limit;
}

function enterFields(head: Head, at: number): void {
  head.fieldsStart = at;
  head.next = at;
  head.scanned = at;
  head.stage = STAGE.fields;
}

function stopped(head: Head, at: number): number {
  if (at < 0) {
    head.stage = STAGE.done;
    return at;
  }
  if (head.limit - head.origin < head.limits.maxHeadBytes) return 0;
  head.stage = STAGE.done;
  return PROBLEM.headTooLarge;
}

function finished(head: Head, at: number, problem: number): number {
  head.stage = STAGE.done;
  head.end = at;
  return problem < 0 ? problem : at;
}

/** Reads field lines from `head.next` on. The hot loop: cursors are locals. */
function parseFields(head: Head): number {
  if (!resumable(head)) return 0;
  const { bytes, limit: end, lines } = head;
  let name = head.next;
  let index = head.count;
  for (;;) {
    const colon = skipToken(bytes, name, end);
    if (colon === end || bytes[colon] !== COLON || colon === name) return noColon(head, colon);
    const stop = skipText(bytes, colon + 1, end);
    if (stop + 1 >= end || bytes[stop] !== CR || bytes[stop + 1] !== LF)
      return noLineEnd(head, stop);
    if (index === head.limits.maxFields) return PROBLEM.tooManyFields;
    const at = index * LINE;
    lines[at] = name;
    lines[at + 1] = colon;
    lines[at + 2] = valueStart(bytes, colon + 1, stop);
    lines[at + 3] = valueEnd(bytes, colon + 1, stop);
    head.kinds[index] = 0;
    if (isInteresting(bytes[name] as number, colon - name)) {
      const problem = noteField(head, index);
      if (problem < 0) return problem;
    }
    head.count = ++index;
    head.next = name = stop + 2;
  }
}

function valueStart(bytes: Uint8Array, from: number, stop: number): number {
  let at = from;
  while (at < stop && (bytes[at] === SP || bytes[at] === HT)) at++;
  return at;
}

/** Where the value ends without the white space behind it; an empty one ends where it starts, at `stop`. */
function valueEnd(bytes: Uint8Array, from: number, stop: number): number {
  let at = stop;
  while (at > from && (bytes[at - 1] === SP || bytes[at - 1] === HT)) at--;
  return at === from ? stop : at;
}

/** The line is not a field: the blank line that ends the head, a piece of it, or a mistake. */
function noColon(head: Head, at: number): number {
  if (at === head.limit) return pause(head, at);
  const byte = head.bytes[at];
  if (at !== head.next) return byte === CR || byte === LF ? PROBLEM.lineEnd : PROBLEM.fieldName;
  if (byte === SP || byte === HT) return PROBLEM.obsFold;
  if (byte === LF) return PROBLEM.lineEnd;
  if (byte !== CR) return PROBLEM.fieldName;
  if (at + 1 === head.limit) return pause(head, at);
  return head.bytes[at + 1] === LF ? at + 2 : PROBLEM.lineEnd;
}

/** No CR LF behind the value: the bytes end there, or it is a mistake. */
function noLineEnd(head: Head, stop: number): number {
  if (stop === head.limit) return pause(head, stop);
  const byte = head.bytes[stop] as number;
  return byte === CR && stop + 1 === head.limit ? pause(head, stop) : badEnd(byte);
}

function badEnd(byte: number): number {
  return byte === CR || byte === LF ? PROBLEM.lineEnd : PROBLEM.fieldValue;
}

function pause(head: Head, scanned: number): number {
  head.scanned = scanned;
  return 0;
}
