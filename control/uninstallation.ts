/**
 * How the mesh leaves: once its DaemonSet is gone for good no agent will ever look after the pods again, so they are let
 * go while the agents are still there. Pods with mesh/fail=closed too: an agent that ends can't tell an uninstallation
 * from an update, and refuses for them until the next agent comes. A DaemonSet that is gone for a moment, or whose pods
 * were left behind on purpose, is no uninstallation: letting go would send closed pods' connections past the mesh. Pure.
 */

import type { SnapshotParts } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import type { Change } from "./world.ts";

/**
 * A DaemonSet that is gone this long is gone for good (ms). `kubectl replace --force` makes the new one within about a
 * second, on a busy API server within a few.
 */
const GONE_MS = 5000;

/** Which objects stand for the agents: DaemonSet and service account of one name. */
export interface AgentSetName {
  readonly namespace: string;
  readonly name: string;
}

/** What has become of the agents' DaemonSet. */
type AgentSet =
  /** It is there, or it was never seen, which is no news: control is installed before the agents. */
  | { readonly kind: "there" }
  /** It was deleted so that its pods stay (kubectl delete --cascade=orphan): the agents go on. */
  | { readonly kind: "orphaned" }
  /** It is gone, or going with its pods, since a time (ms of a clock that nobody sets). */
  | { readonly kind: "gone"; readonly since: number };

/** What is known of the objects that stand for the agents. */
export interface Departure {
  readonly set: AgentSet;
  /** Their service account was deleted: no agent can be made or admitted any more, so this is an uninstallation. */
  readonly accountGone: boolean;
}

/** Nothing was deleted. */
export const STAYING: Departure = { set: { kind: "there" }, accountGone: false };

/** What is known after these changes; `now` is when they came (ms of a clock that nobody sets). */
export function departureAfter(
  before: Departure,
  changes: readonly Change[],
  { namespace, name }: AgentSetName,
  now: number,
): Departure {
  let { set, accountGone } = before;
  for (const change of changes) {
    const about =
      change.kind === "delete" ? change.ref : { ...change.object, ...change.object.metadata };
    if (about.namespace !== namespace || about.name !== name) continue;
    if (about.kind === "ServiceAccount") accountGone = change.kind === "delete";
    if (about.kind === "DaemonSet") set = setAfter(set, change, now);
  }
  return { set, accountGone };
}

function setAfter(before: AgentSet, change: Change, now: number): AgentSet {
  if (change.kind === "apply") {
    const { deletionTimestamp, finalizers = [] } = change.object.metadata;
    if (deletionTimestamp === undefined) return { kind: "there" };
    // Only until the pods have lost their owner: the deletion itself does not say it any more.
    if (finalizers.includes("orphan")) return { kind: "orphaned" };
  }
  return before.kind === "there" ? { kind: "gone", since: now } : before;
}

/** In how many milliseconds the mesh leaves when nothing changes, 0 = it does now; undefined = it stays. */
export function leavesIn({ set, accountGone }: Departure, now: number): number | undefined {
  if (set.kind !== "gone") return undefined;
  return accountGone ? 0 : Math.max(0, set.since + GONE_MS - now);
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
