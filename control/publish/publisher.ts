/**
 * Publishing: the compiled world gets versions, agents get what changed since the version they have.
 * May import agent/model and node's own modules; must know nothing of Kubernetes objects.
 * This file: versions and deltas, no I/O.
 */

import { encodeDelta, FORMAT, FORMAT_WITH_CHANGES } from "#model/codec.ts";
import { compressed } from "#model/compression.ts";
import { encodeFrame } from "#model/frames.ts";
import type { EndpointChanges, Service } from "#model/service.ts";
import type { Snapshot, SnapshotDelta } from "#model/snapshot.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import { changesOf, type Touched, touchedBy } from "./touched.ts";

/** What of a compilation is published. */
export type SnapshotParts = Pick<Snapshot, "workloads" | "services">;

/** Which snapshot somebody has. */
export type Position = Pick<Snapshot, "epoch" | "version">;

/**
 * Changed keys and endpoints that are remembered over all versions. An agent further behind gets everything: at this
 * many keys the delta would be about as long.
 */
const MAX_REMEMBERED_KEYS = 50_000;

/** Names of what changed from one version to the next; contents are in the current snapshot. */
interface Step {
  readonly version: number;
  readonly workloads: readonly string[];
  readonly services: ReadonlyMap<string, Touched>;
}

/** The current snapshot of this process and the way to it. Memory: one snapshot and a bounded list of names. */
export class Publisher {
  #snapshot: Snapshot;
  #steps: Step[] = [];
  #rememberedKeys = 0;
  /** Frames of the current version by what they start from: agents mostly ask for the same few. */
  readonly #frames = new Map<string, Uint8Array>();
  readonly #listeners = new Set<() => void>();

  /** `epoch` must differ from that of every other control process; no colons. */
  constructor(epoch: string) {
    this.#snapshot = { epoch, version: 0, workloads: new Map(), services: new Map() };
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
   * in other objects; when nothing has,
   * there is no new version, but for the first, which says that even an empty world is known. Returns whether there is one.
   */
  publish(parts: SnapshotParts): boolean {
    const before = this.#snapshot;
    const workloads = changedKeys(before.workloads, parts.workloads);
    const services = touchedServices(before.services, parts.services);
    if (before.version > 0 && workloads.length + services.size === 0) return false;
    const version = before.version + 1;
    this.#snapshot = { ...parts, epoch: before.epoch, version };
    this.#remember({ version, workloads, services });
    this.#frames.clear();
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
  deltaSince(have: Position | undefined, format: number = FORMAT): SnapshotDelta {
    const now = this.#snapshot;
    const known = have !== undefined && have.epoch === now.epoch && have.version <= now.version;
    const steps = known ? this.#stepsAfter(have.version) : undefined;
    if (!known || steps === undefined) return fullDelta(now);
    return {
      epoch: now.epoch,
      base: have.version,
      version: now.version,
      ...workloadsOf(steps, now.workloads),
      ...servicesOf(steps, now.services, format),
    };
  }

  /** deltaSince as bytes for the wire, shared by all who ask for the same. */
  frameSince(have: Position | undefined, format: number = FORMAT): Uint8Array {
    const known = have?.epoch === this.#snapshot.epoch;
    const key = `${format} ${known ? have.version : "nothing"}`;
    return this.#frames.getOrInsertComputed(key, () => {
      const message = encodeDelta(this.deltaSince(have, format));
      return encodeFrame(format < FORMAT_WITH_CHANGES ? message : compressed(message));
    });
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
function sizeOf({ workloads, services }: Step): number {
  const touched = services.values().reduce((sum, of) => sum + (of === "whole" ? 1 : of.length), 0);
  return workloads.length + touched + 1;
}

function changedKeys<T>(before: ReadonlyMap<string, T>, now: ReadonlyMap<string, T>): string[] {
  if (before === now) return [];
  const changed: string[] = [];
  for (const [key, value] of now) if (before.get(key) !== value) changed.push(key);
  for (const key of before.keys()) if (!now.has(key)) changed.push(key);
  return changed;
}

function touchedServices(
  before: ReadonlyMap<string, Service>,
  now: ReadonlyMap<string, Service>,
): ReadonlyMap<string, Touched> {
  const all = changedKeys(before, now).map(
    (key) => [key, touchedBy(before.get(key), now.get(key))] as const,
  );
  return new Map(all.filter(([, touched]) => touched.length > 0));
}

function workloadsOf(
  steps: readonly Step[],
  now: Snapshot["workloads"],
): Pick<SnapshotDelta, "upsertWorkloads" | "removeWorkloads"> {
  const keys = [...new Set(steps.flatMap(({ workloads }) => workloads))];
  return {
    upsertWorkloads: keys.flatMap((key) => now.get(key) ?? []),
    removeWorkloads: keys.filter((key) => !now.has(key)),
  };
}

function servicesOf(
  steps: readonly Step[],
  now: Snapshot["services"],
  format: number,
): Pick<SnapshotDelta, "upsertServices" | "removeServices" | "changeEndpoints"> {
  const upsertServices: Service[] = [];
  const removeServices: string[] = [];
  const changeEndpoints: EndpointChanges[] = [];
  for (const [key, touched] of merged(steps)) {
    const service = now.get(key);
    const changes =
      service === undefined || touched === "whole" || format < FORMAT_WITH_CHANGES
        ? "whole"
        : changesOf(service, touched);
    if (service === undefined) removeServices.push(key);
    else if (changes === "whole") upsertServices.push(service);
    else changeEndpoints.push(...changes);
  }
  return { upsertServices, removeServices, changeEndpoints };
}

/** All that was touched in any of the steps. */
function merged(steps: readonly Step[]): ReadonlyMap<string, Touched> {
  const all = new Map<string, Touched>();
  for (const { services } of steps)
    for (const [key, touched] of services) {
      const before = all.get(key) ?? [];
      const both = before === "whole" || touched === "whole" ? "whole" : [...before, ...touched];
      all.set(key, both);
    }
  return all;
}
