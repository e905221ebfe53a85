/** How a snapshot becomes the next one: pure, shared by control (tests) and agent. */

import { changedServices } from "./endpoint-changes.ts";
import { serviceKey } from "./service.ts";
import { EMPTY_SNAPSHOT, type Snapshot, type SnapshotDelta } from "./snapshot.ts";

/**
 * The snapshot after the delta; undefined when the delta is for another one (other epoch or version, or without what it
 * changes).
 * Entries that the delta does not name keep their identity, and so does a whole map of which it names nothing: copying
 * that of 10,000 pods would be most of what a change of one endpoint costs. The given snapshot is not touched.
 */
export function applyDelta(snapshot: Snapshot, delta: SnapshotDelta): Snapshot | undefined {
  const full = delta.base === "nothing";
  if (!full && (snapshot.epoch !== delta.epoch || snapshot.version !== delta.base))
    return undefined;
  const workloads = changed(
    full ? EMPTY_SNAPSHOT.workloads : snapshot.workloads,
    delta.removeWorkloads,
    delta.upsertWorkloads.map((workload) => [workload.uid, workload]),
  );
  const before = full ? EMPTY_SNAPSHOT.services : snapshot.services;
  const withOtherEndpoints = changedServices(before, delta.changeEndpoints);
  if (withOtherEndpoints === undefined) return undefined;
  const services = changed(before, delta.removeServices, [
    ...delta.upsertServices.map((service) => [serviceKey(service), service] as const),
    ...withOtherEndpoints,
  ]);
  return { version: delta.version, epoch: delta.epoch, workloads, services };
}

function changed<T>(
  before: ReadonlyMap<string, T>,
  removed: readonly string[],
  upserted: readonly (readonly [string, T])[],
): ReadonlyMap<string, T> {
  if (removed.length === 0 && upserted.length === 0) return before;
  const after = new Map(before);
  for (const key of removed) after.delete(key);
  for (const [key, value] of upserted) after.set(key, value);
  return after;
}

/** A whole snapshot as a delta from nothing. */
export function fullDelta(snapshot: Snapshot): SnapshotDelta {
  return {
    epoch: snapshot.epoch,
    base: "nothing",
    version: snapshot.version,
    upsertWorkloads: [...snapshot.workloads.values()],
    removeWorkloads: [],
    upsertServices: [...snapshot.services.values()],
    removeServices: [],
    changeEndpoints: [],
  };
}
