/**
 * Snapshot deltas as bytes: UTF-8 JSON, taken whole or refused whole. Every field of the model is checked,
 * so that behind this file nothing is. Fields that are not in the model are ignored: control may be newer
 * than the agent. What changes the meaning of a known field must raise FORMAT.
 */

import { decompressed } from "./compression.ts";
import {
  changesIn,
  deltaFields,
  KINDS,
  type Kind,
  type Kinds,
  newestFormat,
  removesIn,
  upsertsIn,
} from "./kinds.ts";
import { field, integer, list, Malformed, name, optional, type Place } from "./reader.ts";
import type { SnapshotDelta } from "./snapshot.ts";

/**
 * The newest version of this encoding; newer ones are refused. 1: whole Services only. 2: with changes of endpoints, and
 * its readers take compressed messages (compression.ts). 3: with workloads that are closed. A message has the oldest one
 * that can say it, so that an older agent reads what needs nothing new, and refuses what it would misread. What each kind
 * of thing needs stands in kinds.ts.
 */
export const FORMAT: number = newestFormat(KINDS);

/** The format that brought compressed messages. */
export const FORMAT_WITH_COMPRESSION = 2;

/** A larger message is refused before it is read: some ten times a cluster of 10,000 pods. */
export const MAX_MESSAGE_BYTES: number = 64 * 1024 * 1024;

/** What decoding gives: the delta, or the first field that is wrong. */
export type DecodedDelta =
  | {
      readonly kind: "delta";
      readonly delta: SnapshotDelta;
      /** In a file: the newest format of the agent that was told this (`Kept`). */
      readonly told?: number;
    }
  | { readonly kind: "malformed"; readonly field: string; readonly problem: string };

/** A delta as an agent keeps it: what control told an agent of that format, who may be too old for a part of the world. */
export interface Kept extends SnapshotDelta {
  readonly told: number;
}

/** What is wrong with a part of a message, and where in that part. */
export interface Flaw {
  /** For example `ports[3].port`. */
  readonly field: string;
  readonly problem: string;
}

const MAX_OBJECTS = 1_000_000;

/** Encodes a delta. */
export function encodeDelta(delta: SnapshotDelta, kinds: Kinds = KINDS): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ format: formatOf(delta, kinds), ...delta }));
}

/** The oldest format that can say the delta. */
export function formatOf(delta: SnapshotDelta, kinds: Kinds = KINDS): number {
  let format = 1;
  for (const kind of kinds) format = Math.max(format, formatOfKind(delta, kind));
  return format;
}

function formatOfKind(delta: SnapshotDelta, kind: Kind<object>): number {
  const upserts = upsertsIn(delta, kind);
  let format = upserts.length + removesIn(delta, kind).length > 0 ? kind.since : 1;
  for (const value of upserts) format = Math.max(format, kind.formatOf(value));
  if (changesIn(delta, kind).length === 0) return format;
  return Math.max(format, kind.changes?.since ?? 1);
}

/**
 * The text of encodeDelta in pieces, an object of the lists each: for who has no time to make it in one go. A piece of
 * a Service with thousands of endpoints is as long as its change was when it came.
 */
export function* encodePieces(delta: SnapshotDelta | Kept): Generator<string, void> {
  let before = "{";
  for (const [key, value] of Object.entries({ format: formatOf(delta, KINDS), ...delta })) {
    yield `${before}${JSON.stringify(key)}:`;
    if (Array.isArray(value)) yield* listPieces(value);
    else yield JSON.stringify(value);
    before = ",";
  }
  yield "}";
}

function* listPieces(items: readonly unknown[]): Generator<string, void> {
  let before = "[";
  for (const item of items) {
    yield before + JSON.stringify(item);
    before = ",";
  }
  yield items.length === 0 ? "[]" : "]";
}

/** Decodes a delta, compressed or not. Never throws on bytes from outside. */
export function decodeDelta(bytes: Uint8Array, kinds: Kinds = KINDS): DecodedDelta {
  if (bytes.length > MAX_MESSAGE_BYTES) return malformed("", `is over ${MAX_MESSAGE_BYTES} bytes`);
  const plain = decompressed(bytes, MAX_MESSAGE_BYTES);
  if (plain === undefined)
    return malformed("", `is no whole zstd frame of at most ${MAX_MESSAGE_BYTES} bytes`);
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(plain));
    const message = { value, path: "" };
    const delta = readDelta(message, kinds);
    const told = optional(field(message, "told"), (p) => integer(p, 1, Number.MAX_SAFE_INTEGER));
    return { kind: "delta", delta, ...(told !== undefined && { told }) };
  } catch (cause) {
    if (cause instanceof Malformed) return malformed(cause.field, cause.message);
    // SyntaxError of JSON or TypeError of UTF-8; the text of either may quote the content: leave it out.
    return malformed("", "is not UTF-8 JSON");
  }
}

/** Why every agent would refuse a message with this value; undefined = none would. */
export function flawOf<T extends object>({ read }: Kind<T>, value: T): Flaw | undefined {
  try {
    read({ value, path: "" });
    return undefined;
  } catch (cause) {
    if (cause instanceof Malformed) return { field: cause.field, problem: cause.message };
    throw cause;
  }
}

function malformed(path: string, problem: string): DecodedDelta {
  return { kind: "malformed", field: path, problem };
}

function readDelta(place: Place, kinds: Kinds): SnapshotDelta {
  const format = integer(field(place, "format"), 1, kinds === KINDS ? FORMAT : newestFormat(kinds));
  const version = integer(field(place, "version"), 0, Number.MAX_SAFE_INTEGER);
  const delta: SnapshotDelta = {
    epoch: name(field(place, "epoch")),
    base: readBase(field(place, "base"), version),
    version,
    ...deltaFields(kinds, (kind) => ({
      upsert: readList(field(place, kind.upsert), kind.read, kind.since),
      remove: readList(field(place, kind.remove), name, kind.since),
      changes: readChanges(place, kind),
    })),
  };
  const needed = formatOf(delta, kinds);
  // Readers of that format would ignore a part of it.
  if (format < needed)
    throw new Malformed("format", `must be at least ${needed} for what the message holds`);
  return delta;
}

function readChanges(place: Place, { changes }: Kind<object>): readonly object[] {
  if (changes === undefined) return [];
  return readList(field(place, changes.field), changes.read, changes.since);
}

/** Messages of the first format don't have the fields that came later. */
function readList<T>(place: Place, read: (item: Place) => T, since: number): readonly T[] {
  const items = (of: Place): readonly T[] => list(of, read, MAX_OBJECTS);
  return since === 1 ? items(place) : (optional(place, items) ?? []);
}

function readBase(place: Place, version: number): number | "nothing" {
  return place.value === "nothing" ? "nothing" : integer(place, 0, version);
}
