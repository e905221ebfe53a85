/**
 * Readers of a message's head as lenient as servers and clients in the field, written independently of the codec. Each has
 * habits: where it ends a line, which of several lengths it believes, how it compares names. Two that disagree about one
 * head are how a request is smuggled.
 */

/** How a reader reads. Every combination is somebody. */
export interface Habits {
  /** What ends a line: CR LF; LF too; or whatever Python's `str.splitlines` takes, and NUL. */
  readonly line: RegExp;
  /** A line of white space ends the head. */
  readonly blankEnds: boolean;
  /** A line that begins with white space: part of the value before, a line of its own, or nothing. */
  readonly fold: "joined" | "trimmed" | "dropped";
  /** The name is compared without the bytes that are no token's, and without white space around. */
  readonly looseNames: boolean;
  /** Which of several Content-Length, Transfer-Encoding and Host fields it believes. */
  readonly which: "first" | "last";
  /** Which it believes when both are there. */
  readonly coding: "wins" | "loses";
  /** How it knows `chunked`: letter by letter, by any spelling, or anywhere in the value. */
  readonly chunked: "exact" | "spelt" | "within";
  /** How it reads a number: as C's strtol does, or all of it. */
  readonly number: "prefix" | "whole";
}

/** What a reader makes of a head. */
export interface Reading {
  /** `none`, `chunked`, `5`, `close`, or `refused`. */
  readonly framing: string;
  readonly host: string;
  /** The version's last digit as it reads the start line. */
  readonly minor: string;
}

/** NUL, and what `str.splitlines` takes below 0x80. */
const BREAKS = [0, 10, 11, 12, 13, 28, 29, 30].map((code) => String.fromCharCode(code)).join("");
const LINES: readonly RegExp[] = [/\r\n/, /\r?\n/, new RegExp(`\r\n|[${BREAKS}]`)];
const FOLDS: readonly Habits["fold"][] = ["joined", "trimmed", "dropped"];
const CHUNKED: readonly Habits["chunked"][] = ["exact", "spelt", "within"];

/** Every combination of habits. */
export function allHabits(): readonly Habits[] {
  const lists = LINES.flatMap((line) =>
    FOLDS.flatMap((fold) => CHUNKED.map((chunked) => ({ line, fold, chunked }))),
  );
  return lists.flatMap((habits) =>
    Array.from({ length: 32 }, (_, bits) => ({
      ...habits,
      blankEnds: (bits & 1) !== 0,
      looseNames: (bits & 2) !== 0,
      which: (bits & 4) === 0 ? ("first" as const) : ("last" as const),
      coding: (bits & 8) === 0 ? ("wins" as const) : ("loses" as const),
      number: (bits & 16) === 0 ? ("prefix" as const) : ("whole" as const),
    })),
  );
}

/** Reads a head, one character a byte, as a reader of these habits. `status` is that of a response, else 0. */
export function readLeniently(head: string, habits: Habits, status: number): Reading {
  const [start = "", ...lines] = head.split(habits.line);
  const fields = fieldsOf(lines, habits);
  const word = (status === 0 ? start.split(/\s+/)[2] : start.split(/\s+/)[0]) ?? "";
  return {
    framing: framingOf(fields, habits, status),
    host: one(fields, "host", habits) ?? "",
    minor: word.at(-1) ?? "",
  };
}

function fieldsOf(
  lines: readonly string[],
  habits: Habits,
): readonly (readonly [string, string])[] {
  const fields: [string, string][] = [];
  for (const line of lines) {
    if (line === "" || (habits.blankEnds && line.trim() === "")) break;
    const last = fields.at(-1);
    if (/^[ \t]/.test(line) && habits.fold !== "trimmed") {
      if (habits.fold === "joined" && last !== undefined)
        last[1] = `${last[1]} ${line.trim()}`.trim();
      continue;
    }
    const colon = line.indexOf(":");
    if (colon >= 0)
      fields.push([nameOf(line.slice(0, colon), habits), line.slice(colon + 1).trim()]);
  }
  return fields;
}

function nameOf(name: string, { looseNames }: Habits): string {
  const lower = name.toLowerCase();
  return looseNames ? lower.replace(/[^!#$%&'*+\-.^_`|~0-9a-z]/g, "") : lower;
}

function one(
  fields: readonly (readonly [string, string])[],
  name: string,
  { which }: Habits,
): string | undefined {
  const values = fields.filter(([known]) => known === name);
  return (which === "first" ? values[0] : values.at(-1))?.[1];
}

function framingOf(
  fields: readonly (readonly [string, string])[],
  habits: Habits,
  status: number,
): string {
  if (status !== 0 && (status < 200 || status === 204 || status === 304)) return "none";
  const coding = one(fields, "transfer-encoding", habits);
  const length = one(fields, "content-length", habits);
  const chunked = coding !== undefined && isChunked(coding, habits);
  if (chunked && (habits.coding === "wins" || length === undefined)) return "chunked";
  if (length !== undefined) return numberOf(length, habits);
  return status === 0 ? "none" : "close";
}

function isChunked(coding: string, { chunked }: Habits): boolean {
  if (chunked === "exact") return coding === "chunked";
  return chunked === "spelt" ? coding.toLowerCase() === "chunked" : /chunked/i.test(coding);
}

function numberOf(text: string, { number }: Habits): string {
  // As C does with base 0: a zero in front is octal.
  if (number === "prefix") return String(Number.parseInt(text, /^0[0-7]/.test(text) ? 8 : 10));
  return /^\d+$/.test(text) ? String(Number(text)) : "refused";
}
