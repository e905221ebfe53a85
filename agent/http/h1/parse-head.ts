import { PROBLEM } from "./codes.ts";
import { finishRequest, finishResponse, noteField } from "./fields.ts";
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

function parseFields(head: Head): number {
  if (!resumable(head)) return 0;
  const bytes = head.bytes;
  const end = head.limit;
  for (;;) {
    const name = head.next;
    const colon = skipToken(bytes, name, end);
    if (colon === end) return pause(head, end);
    if (bytes[colon] !== COLON || colon === name) return blankLine(head, colon);
    const stop = skipText(bytes, colon + 1, end);
    if (stop + 1 >= end) return lineCut(head, stop);
    if (bytes[stop] !== CR || bytes[stop + 1] !== LF) return badEnd(bytes[stop] as number);
    const problem = addField(head, colon, stop);
    if (problem < 0) return problem;
    head.next = stop + 2;
    head.scanned = stop + 2;
  }
}

/** Notes the line at `head.next`; its value is `(colon, stop)` without the white space around it. */
function addField(head: Head, colon: number, stop: number): number {
  const index = head.count;
  if (index === head.limits.maxFields) return PROBLEM.tooManyFields;
  const bytes = head.bytes;
  let value = colon + 1;
  let valueEnd = stop;
  while (value < stop && (bytes[value] === SP || bytes[value] === HT)) value++;
  while (valueEnd > value && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HT)) valueEnd--;
  const at = index * LINE;
  head.lines[at] = head.next;
  head.lines[at + 1] = colon;
  head.lines[at + 2] = value;
  head.lines[at + 3] = valueEnd;
  head.kinds[index] = 0;
  head.count = index + 1;
  return noteField(head, index);
}

/** The line is not a field: the blank line that ends the head, a piece of it, or a mistake. */
function blankLine(head: Head, at: number): number {
  const byte = head.bytes[at];
  if (at !== head.next) return byte === CR || byte === LF ? PROBLEM.lineEnd : PROBLEM.fieldName;
  if (byte === SP || byte === HT) return PROBLEM.obsFold;
  if (byte === LF) return PROBLEM.lineEnd;
  if (byte !== CR) return PROBLEM.fieldName;
  if (at + 1 === head.limit) return pause(head, at);
  return head.bytes[at + 1] === LF ? at + 2 : PROBLEM.lineEnd;
}

/** The bytes end within a value, or between its CR and LF. */
function lineCut(head: Head, stop: number): number {
  const byte = stop < head.limit ? (head.bytes[stop] as number) : CR;
  return byte === CR ? pause(head, stop) : badEnd(byte);
}

function badEnd(byte: number): number {
  return byte === CR || byte === LF ? PROBLEM.lineEnd : PROBLEM.fieldValue;
}

function pause(head: Head, scanned: number): number {
  head.scanned = scanned;
  return 0;
}
