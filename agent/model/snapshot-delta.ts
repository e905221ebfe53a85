/** How a snapshot becomes the next one: pure, shared by control (tests) and agent. */

import {
  changesIn,
  deltaFields,
  KINDS,
  type Kind,
  type Kinds,
  partsOf,
  removesIn,
  upsertsIn,
  valuesIn,
} from "./kinds.ts";
import type { Snapshot, SnapshotDelta } from "./snapshot.ts";

/**
 * The snapshot after the delta; undefined when the delta is for another one (other epoch or version, or without what it
 * changes).
 * Entries that the delta does not name keep their identity, and so does a whole map of which it names nothing: copying
 * that of 10,000 pods would be most of what a change of one endpoint costs. The given snapshot is not touched.
 */
export function applyDelta(
  snapshot: Snapshot,
  delta: SnapshotDelta,
  kinds: Kinds = KINDS,
): Snapshot | undefined {
  const full = delta.base === "nothing";
  if (!full && (snapshot.epoch !== delta.epoch || snapshot.version !== delta.base))
    return undefined;
  const after = new Map<Kind<object>, ReadonlyMap<string, object>>();
  for (const kind of kinds) {
    const values = changed(full ? new Map() : valuesIn(snapshot, kind), delta, kind);
    if (values === undefined) return undefined;
    after.set(kind, values);
  }
  const { epoch, version } = delta;
  return { version, epoch, ...partsOf(kinds, (kind) => after.get(kind) ?? new Map()) };
}

function changed(
  before: ReadonlyMap<string, object>,
  delta: SnapshotDelta,
  kind: Kind<object>,
): ReadonlyMap<string, object> | undefined {
  const [upserts, removes, changes] = [
    upsertsIn(delta, kind),
    removesIn(delta, kind),
    changesIn(delta, kind),
  ];
  if (upserts.length + removes.length + changes.length === 0) return before;
  const withChanges = kind.changes?.apply(before, changes) ?? new Map<string, object>();
  if (withChanges.size === 0 && changes.length > 0) return undefined;
  const after = new Map(before);
  for (const key of removes) after.delete(key);
  for (const value of upserts) after.set(kind.keyOf(value), value);
  for (const [key, value] of withChanges) after.set(key, value);
  return after;
}

/** A whole snapshot as a delta from nothing. */
export function fullDelta(snapshot: Snapshot, kinds: Kinds = KINDS): SnapshotDelta {
  const { epoch, version } = snapshot;
  const fields = deltaFields(kinds, (kind) => ({
    upsert: [...valuesIn(snapshot, kind).values()],
    ...{ remove: [], changes: [] },
  }));
  return { epoch, base: "nothing", version, ...fields };
}
