/**
 * Publishing: the compiled world gets versions, agents get what changed since the version they have.
 * May import agent/model and node's own modules; must know nothing of Kubernetes objects.
 * This file: versions and deltas, no I/O.
 */

import { encodeDelta, FORMAT_WITH_COMPRESSION } from "#model/codec.ts";
import { compressed } from "#model/compression.ts";
import { encodeFrame } from "#model/frames.ts";
import {
  deltaFields,
  KIND,
  KINDS,
  type Kind,
  type KindDelta,
  type Kinds,
  NO_CHANGE,
  newestFormat,
  partsOf,
  valuesIn,
} from "#model/kinds.ts";
import type { Snapshot, SnapshotDelta, SnapshotParts } from "#model/snapshot.ts";
import type { Touched } from "#model/touched.ts";
import { Audience } from "./audience.ts";

/** Which snapshot somebody has. */
export type Position = Pick<Snapshot, "epoch" | "version">;

/**
 * Changed keys and endpoints that are remembered over all versions. An agent further behind gets everything: at this
 * many keys the delta would be about as long.
 */
const MAX_REMEMBERED_KEYS = 50_000;

/** What was touched of one kind, by key. */
type TouchedValues = ReadonlyMap<string, Touched>;

/** Names of what changed from one version to the next; contents are in the current snapshot. */
interface Step {
  readonly version: number;
  /** For each row of the table. */
  readonly touched: ReadonlyMap<Kind<object>, TouchedValues>;
  /** Workloads that something restricts, or has restricted, which changed: those who don't know it are told them anew. */
  readonly restricted: ReadonlySet<string>;
}

/** The current snapshot of this process and the way to it. Memory: one snapshot and a bounded list of names. */
export class Publisher {
  #snapshot: Snapshot;
  #steps: Step[] = [];
  #rememberedKeys = 0;
  /** Frames of the current version by what they start from: agents mostly ask for the same few. */
  readonly #frames = new Map<string, Uint8Array>();
  /** The readers of the current version, by their format. */
  readonly #audiences = new Map<number, Audience>();
  readonly #listeners = new Set<() => void>();
  readonly #kinds: Kinds;
  readonly #newest: number;

  /** `epoch` must differ from that of every other control process; no colons. `kinds`: another table, only for tests. */
  constructor(epoch: string, kinds: Kinds = KINDS) {
    this.#kinds = kinds;
    this.#newest = newestFormat(kinds);
    this.#snapshot = { epoch, version: 0, ...partsOf(kinds, () => new Map()) };
  }

  /** The newest snapshot. Version 0 = nothing was published yet, and nobody may be served. */
  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  /** How many are called back after a new version. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /**
   * Takes a compilation as the new truth. What is identical (`===`) has not changed, nor has a Service that says the same
   * in other objects; when nothing has, there is no new version, but for the first, which says that even an empty world is
   * known. Returns whether there is one.
   */
  publish(parts: SnapshotParts): boolean {
    const before = this.#snapshot;
    const version = before.version + 1;
    // More may be in a compilation than what is told.
    const told = partsOf(this.#kinds, (kind) => valuesIn(parts, kind));
    const now: Snapshot = { ...told, epoch: before.epoch, version };
    const touched = new Map(
      this.#kinds.map((kind) => [
        kind,
        touchedValues(kind, valuesIn(before, kind), valuesIn(now, kind)),
      ]),
    );
    if (before.version > 0 && touched.values().every(({ size }) => size === 0)) return false;
    this.#snapshot = now;
    this.#remember({ version, touched, restricted: restrictedBy(touched, [before, now]) });
    this.#frames.clear();
    this.#audiences.clear();
    for (const listener of this.#listeners) listener();
    return true;
  }

  /** Calls back after every new version, until the returned function is called. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * What leads from a position to the newest version: an empty delta for somebody who has it, everything
   * for somebody of another epoch or too far behind. `format`: the newest of the codec that its reader knows.
   */
  deltaSince(have: Position | undefined, format: number = this.#newest): SnapshotDelta {
    const now = this.#snapshot;
    const known = have !== undefined && have.epoch === now.epoch && have.version <= now.version;
    const steps = known ? this.#stepsAfter(have.version) : undefined;
    const audience = this.#audience(format);
    const fields = deltaFields(this.#kinds, (kind) => {
      if (!audience.knows(kind)) return NO_CHANGE;
      const values = valuesIn(now, kind);
      return steps === undefined
        ? wholeOf(kind, values, audience)
        : changesOf(kind, values, { steps, audience });
    });
    const base = known && steps !== undefined ? have.version : "nothing";
    return { epoch: now.epoch, base, version: now.version, ...fields };
  }

  /** deltaSince as bytes for the wire, shared by all who ask for the same. */
  frameSince(have: Position | undefined, format: number = this.#newest): Uint8Array {
    const known = have?.epoch === this.#snapshot.epoch;
    const key = `${format} ${known ? have.version : "nothing"}`;
    return this.#frames.getOrInsertComputed(key, () => {
      const message = encodeDelta(this.deltaSince(have, format), this.#kinds);
      return encodeFrame(format < FORMAT_WITH_COMPRESSION ? message : compressed(message));
    });
  }

  #audience(format: number): Audience {
    return this.#audiences.getOrInsertComputed(
      format,
      () => new Audience(this.#snapshot, format, this.#kinds),
    );
  }

  /** The steps from a version to now; undefined when the first of them is forgotten. */
  #stepsAfter(version: number): readonly Step[] | undefined {
    const missing = this.#snapshot.version - version;
    return missing > this.#steps.length
      ? undefined
      : this.#steps.slice(this.#steps.length - missing);
  }

  #remember(step: Step): void {
    this.#steps.push(step);
    this.#rememberedKeys += sizeOf(step);
    let drop = 0;
    for (const old of this.#steps) {
      if (this.#rememberedKeys <= MAX_REMEMBERED_KEYS) break;
      this.#rememberedKeys -= sizeOf(old);
      drop++;
    }
    if (drop > 0) this.#steps = this.#steps.slice(drop);
  }
}

/** What a step costs; one more than its keys, so that empty steps are bounded too. */
function sizeOf({ touched, restricted }: Step): number {
  const sizes = touched
    .values()
    .flatMap((values) => values.values())
    .map((of) => (of === "whole" ? 1 : of.length));
  return sizes.reduce((sum, size) => sum + size, restricted.size + 1);
}

function touchedValues(
  { changes }: Kind<object>,
  before: ReadonlyMap<string, object>,
  now: ReadonlyMap<string, object>,
): TouchedValues {
  const touched = new Map<string, Touched>();
  for (const key of changedKeys(before, now)) {
    const of = changes?.touched(before.get(key), now.get(key)) ?? "whole";
    if (of.length > 0) touched.set(key, of);
  }
  return touched;
}

function changedKeys<T>(before: ReadonlyMap<string, T>, now: ReadonlyMap<string, T>): string[] {
  if (before === now) return [];
  const changed: string[] = [];
  for (const [key, value] of now) if (before.get(key) !== value) changed.push(key);
  for (const key of before.keys()) if (!now.has(key)) changed.push(key);
  return changed;
}

/** The workloads that any value restricts or restricted which was touched. */
function restrictedBy(
  touched: Step["touched"],
  snapshots: readonly Snapshot[],
): ReadonlySet<string> {
  const restricted = new Set<string>();
  for (const [kind, values] of touched)
    for (const value of snapshots.flatMap((snapshot) => valuesOf(snapshot, kind, values.keys())))
      for (const uid of kind.restricts?.(value) ?? []) restricted.add(uid);
  return restricted;
}

function valuesOf(
  snapshot: Snapshot,
  kind: Kind<object>,
  keys: Iterable<string>,
): readonly object[] {
  if (kind.restricts === undefined) return [];
  const values = valuesIn(snapshot, kind);
  return [...keys].flatMap((key) => values.get(key) ?? []);
}

function wholeOf(
  kind: Kind<object>,
  values: ReadonlyMap<string, object>,
  audience: Audience,
): KindDelta {
  const upsert = [...values.values()].flatMap((value) => audience.told(kind, value) ?? []);
  return { ...NO_CHANGE, upsert };
}

/** What of a kind changed in these steps, as these readers are told it. */
function changesOf(
  kind: Kind<object>,
  values: ReadonlyMap<string, object>,
  { steps, audience }: { readonly steps: readonly Step[]; readonly audience: Audience },
): KindDelta {
  const upsert: object[] = [];
  const remove: string[] = [];
  const changes: object[] = [];
  for (const [key, touched] of merged(kind, steps, audience)) {
    const value = values.get(key);
    const told = value && audience.told(kind, value);
    const parts =
      told === undefined || touched === "whole" || !audience.takesChanges(kind)
        ? "whole"
        : (kind.changes?.tell(told, touched) ?? "whole");
    if (told === undefined) remove.push(key);
    else if (parts === "whole") upsert.push(told);
    else changes.push(...parts);
  }
  return { upsert, remove, changes };
}

/** All of a kind that was touched in any of the steps; with it the workloads that may have been closed or opened for these readers. */
function merged(kind: Kind<object>, steps: readonly Step[], { misses }: Audience): TouchedValues {
  const isClosable = misses && kind.name === KIND.workloads.name;
  const all = new Map<string, Touched>();
  for (const { touched, restricted } of steps) {
    for (const [key, of] of touched.get(kind) ?? []) {
      const before = all.get(key) ?? [];
      all.set(key, before === "whole" || of === "whole" ? "whole" : [...before, ...of]);
    }
    if (isClosable) for (const uid of restricted) all.set(uid, "whole");
  }
  return all;
}
