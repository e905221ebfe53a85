import { PROBLEM } from "./codes.ts";
import { finishRequest, finishResponse, isInteresting, noteField } from "./fields.ts";
import { type Head, LINE, STAGE } from "./head.ts";
import { COLON, CR, HT, LF, SP, skipText, skipToken } from "./octets.ts";
import { continueField, oddName } from "./odd-lines.ts";
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

/** `plainLines` leaves the line at `head.next` to `oddLine`. No PROBLEM and no offset. */
const ODD_LINE = -1_000;

function parseFields(head: Head): number {
  if (!resumable(head)) return 0;
  let colon = 0;
  for (;;) {
    const at = plainLines(head, colon);
    if (at !== ODD_LINE) return at;
    colon = oddLine(head);
    if (colon <= 0) return colon;
  }
}

/**
 * Reads field lines from `head.next` on; `known` is the first one's colon, if behind `head.next`. The hot loop: cursors are locals.
 */
function plainLines(head: Head, known: number): number {
  const { bytes, limit: end } = head;
  let name = head.next;
  let index = head.count;
  let colon = known > name ? known : skipToken(bytes, name, end);
  for (;;) {
    if (colon === end || bytes[colon] !== COLON || colon === name) return noColon(head, colon);
    const stop = skipText(bytes, colon + 1, end);
    if (stop + 1 >= end || bytes[stop] !== CR || bytes[stop + 1] !== LF)
      return noLineEnd(head, stop);
    if (!head.hasRoom(index)) return PROBLEM.tooManyFields;
    const { lines } = head;
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
    colon = skipToken(bytes, name, end);
  }
}

/**
 * The line at `head.next` continues the one before, has an odd name, or is a mistake. Returns the offset of the name's colon,
 * `head.next` itself when it has moved behind the line, 0 (more bytes) or a PROBLEM.
 */
function oddLine(head: Head): number {
  const { bytes, next: name, limit } = head;
  const first = bytes[name];
  if ((first === SP || first === HT) && head.count > 0) return continueField(head, head.count - 1);
  const colon = oddName(head, skipToken(bytes, name, limit));
  if (colon === limit) return pause(head, colon);
  if (colon < 0 || (colon > name && bytes[colon] === COLON)) return colon;
  return notField(head, colon);
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

/** No colon where the token ends: the blank line that ends the head, a piece of a line, or an odd one. */
function noColon(head: Head, at: number): number {
  if (at === head.limit) return pause(head, at);
  if (at !== head.next || head.bytes[at] !== CR) return ODD_LINE;
  if (at + 1 === head.limit) return pause(head, at);
  return head.bytes[at + 1] === LF ? at + 2 : PROBLEM.lineEnd;
}

/** What is wrong with the line at `head.next`, of which the bytes before `at` may be a name. */
function notField(head: Head, at: number): number {
  const byte = head.bytes[at];
  if (byte === LF) return PROBLEM.lineEnd;
  return at === head.next && (byte === SP || byte === HT) ? PROBLEM.obsFold : PROBLEM.fieldName;
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
