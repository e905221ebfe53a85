/** The types of a snapshot and of what changes from one to the next: each kind of thing has the fields that its name gives. */

import type { EndpointChanges, Service } from "./service.ts";
import type { Workload } from "./workload.ts";

/** What a snapshot is made of: for each kind (kinds.ts) the type of its values. */
export interface SnapshotValues {
  /** Every pod that is not over and has an address (or its node's), or is enrolled and has a node; by uid. */
  readonly workloads: Workload;
  /** Every Service with a virtual IP, by `namespace/name`. */
  readonly services: Service;
}

/** The values of each kind, by key. */
export type SnapshotParts = {
  readonly [K in keyof SnapshotValues]: ReadonlyMap<string, SnapshotValues[K]>;
};

/** The world as compiled by control. */
export interface Snapshot extends SnapshotParts {
  /** Rises by at least one with every publication of one control process (`epoch`). */
  readonly version: number;
  /** Names the control process that counted `version`: versions of two epochs can't be compared. */
  readonly epoch: string;
}

type Upserts = {
  readonly [K in keyof SnapshotValues as `upsert${Capitalize<K>}`]: readonly SnapshotValues[K][];
};

type Removes = {
  readonly [K in keyof SnapshotValues as `remove${Capitalize<K>}`]: readonly string[];
};

/** What changed between two versions of one epoch: of each kind what is new or other, and what is gone. Applied whole or refused whole. */
export interface SnapshotDelta extends Upserts, Removes {
  readonly epoch: string;
  /** The version this delta applies to; `"nothing"` = a full snapshot, whatever the agent had. */
  readonly base: number | "nothing";
  readonly version: number;
  /** Of Services that the base has and the lists above don't name. A change of one pod is 200 bytes, not its whole Service. */
  readonly changeEndpoints: readonly EndpointChanges[];
}
