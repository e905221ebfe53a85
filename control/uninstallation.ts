/**
 * How the mesh leaves: once its DaemonSet is gone no agent will ever look after the pods again, so they are let go
 * while the agents are still there. Pods with mesh/fail=closed too: an agent that ends can't tell an uninstallation
 * from an update, and refuses for them until the next agent comes. Pure.
 */

import type { Workload } from "#model/workload.ts";
import type { SnapshotParts } from "./publish/publisher.ts";
import type { Change } from "./world.ts";

/** Which object stands for the agents. */
export interface AgentSetName {
  readonly namespace: string;
  readonly name: string;
}

/**
 * Whether the mesh is leaving after these changes; `before` as of the changes before. A DaemonSet that was never seen
 * is no news: control is installed before the agents.
 */
export function leavingAfter(
  before: boolean,
  changes: readonly Change[],
  { namespace, name }: AgentSetName,
): boolean {
  let leaving = before;
  for (const change of changes) {
    const { kind, metadata } =
      change.kind === "delete"
        ? { kind: change.ref.kind, metadata: { ...change.ref, deletionTimestamp: "now" } }
        : change.object;
    if (kind === "DaemonSet" && metadata.namespace === namespace && metadata.name === name)
      leaving = metadata.deletionTimestamp !== undefined;
  }
  return leaving;
}

/**
 * The same pods and Services, nobody enrolled. An enrolled pod without an address was there for its enrolment only.
 */
export function withoutEnrolments({ workloads, services }: SnapshotParts): SnapshotParts {
  const free = new Map<string, Workload>();
  for (const [uid, workload] of workloads) {
    const { enrolment, ...rest } = workload;
    if (enrolment === undefined) free.set(uid, workload);
    else if (rest.addresses.length > 0) free.set(uid, rest);
  }
  return { workloads: free, services };
}
