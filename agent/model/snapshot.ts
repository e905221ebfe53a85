/** All that an agent needs to know, as one value with a version. Never changed in place: replaced whole. */

import type { EndpointChanges, Service } from "./service.ts";
import type { Workload } from "./workload.ts";

/** The world as compiled by control. */
export interface Snapshot {
  /** Rises by at least one with every publication of one control process (`epoch`). */
  readonly version: number;
  /** Names the control process that counted `version`: versions of two epochs can't be compared. */
  readonly epoch: string;
  /** Every pod that is not over and has an address (or its node's), or is enrolled and has a node; by uid. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** Every Service with a virtual IP, by `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
}

/** What changed between two versions of one epoch. Applied whole or refused whole. */
export interface SnapshotDelta {
  readonly epoch: string;
  /** The version this delta applies to; `"nothing"` = a full snapshot, whatever the agent had. */
  readonly base: number | "nothing";
  readonly version: number;
  readonly upsertWorkloads: readonly Workload[];
  readonly removeWorkloads: readonly string[];
  readonly upsertServices: readonly Service[];
  readonly removeServices: readonly string[];
  /** Of Services that the base has and the lists above don't name. A change of one pod is 200 bytes, not its whole Service. */
  readonly changeEndpoints: readonly EndpointChanges[];
}

/** The snapshot before anything was heard from control. */
export const EMPTY_SNAPSHOT: Snapshot = {
  version: 0,
  epoch: "",
  workloads: new Map(),
  services: new Map(),
};
