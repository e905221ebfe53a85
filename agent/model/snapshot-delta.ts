/** How a snapshot becomes the next one: pure, shared by control (tests) and agent. */

import { serviceKey } from "./service.ts";
import type { Snapshot, SnapshotDelta } from "./snapshot.ts";

/**
 * The snapshot after the delta; undefined when the delta is for another one (other epoch or version).
 * Entries that the delta does not name keep their identity. The given snapshot is not touched.
 */
export function applyDelta(snapshot: Snapshot, delta: SnapshotDelta): Snapshot | undefined {
  const full = delta.base === "nothing";
  if (!full && (snapshot.epoch !== delta.epoch || snapshot.version !== delta.base))
    return undefined;
  const workloads = new Map(full ? [] : snapshot.workloads);
  for (const uid of delta.removeWorkloads) workloads.delete(uid);
  for (const workload of delta.upsertWorkloads) workloads.set(workload.uid, workload);
  const services = new Map(full ? [] : snapshot.services);
  for (const key of delta.removeServices) services.delete(key);
  for (const service of delta.upsertServices) services.set(serviceKey(service), service);
  return { version: delta.version, epoch: delta.epoch, workloads, services };
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
  };
}
