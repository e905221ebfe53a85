/** All that an agent needs to know, as one value with a version. Never changed in place: replaced whole. */

import { KINDS, partsOf } from "./kinds.ts";
import type { Snapshot } from "./snapshot-shape.ts";

export type { Snapshot, SnapshotDelta, SnapshotParts } from "./snapshot-shape.ts";

/** The snapshot before anything was heard from control. */
export const EMPTY_SNAPSHOT: Snapshot = {
  ...{ version: 0, epoch: "" },
  ...partsOf(KINDS, () => new Map()),
};
