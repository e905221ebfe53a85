/** `wait --for=…`: until objects are in a state. */

import { setTimeout as sleep } from "node:timers/promises";
import { objectRef, refKey } from "../../../control/k8s/api/decode.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { nameOf, type Stored } from "../cluster/raw.ts";
import { podName, type Simulation } from "../simulation.ts";
import { withStatus } from "./get.ts";
import type { Awaited, AwaitedState, Reply } from "./protocol.ts";
import { findTarget, noneFound, podsOf } from "./targets.ts";

/** How often it looks again. */
const POLL_MS = 20;

/**
 * Waits until all the targets' objects, as they are named now, are in the state; warns of pods that are, but could not
 * be set up in the mesh. Throws what is missing after the time.
 */
export async function awaitState(
  sim: Simulation,
  { targets, state }: Awaited,
  timeoutMs: number,
): Promise<Reply> {
  const { cluster } = sim;
  const found = targets.map((target) => ({ target, ...findTarget(cluster, target) }));
  const problems = found.flatMap(({ target, objects, missing }) => [
    ...missing,
    ...noneFound(target, objects, missing),
  ]);
  // What is not there is deleted already.
  if (problems.length > 0 && state !== "deleted") return { lines: [], problems };
  const lines: string[] = [];
  const deadline = Date.now() + timeoutMs;
  for (const stored of found.flatMap(({ objects }) => objects)) {
    const ref = objectRef(stored.object);
    const { uid } = stored.object.metadata;
    while (!isSo(cluster, { key: ref, uid }, state)) {
      if (Date.now() > deadline)
        throw new Error(
          `timed out: ${refKey(ref)} is not ${state} after ${timeoutMs / 1_000} s${reason(cluster, stored)}; see: nodemesh sim status`,
        );
      await sleep(POLL_MS);
    }
    lines.push(state === "deleted" ? `${nameOf(ref)} deleted` : `${nameOf(ref)} condition met`);
  }
  const waited = found.flatMap(({ objects }) => objects);
  return { lines, problems: [], warnings: await outsideOf(sim, waited, state) };
}

/** Pods of these objects that serve, but past the mesh that they belong to. */
async function outsideOf(
  sim: Simulation,
  waited: readonly Stored[],
  state: AwaitedState,
): Promise<readonly string[]> {
  if (state !== "Ready" && state !== "Available") return [];
  const uids = new Set(
    waited.flatMap((stored) => podsBehind(sim.cluster, stored)).map(({ metadata }) => metadata.uid),
  );
  return (await sim.outsiders())
    .filter(({ pod, trouble }) => trouble && uids.has(pod.metadata.uid))
    .map(({ pod, why }) => `${podName(pod)} ${why}`);
}

function podsBehind(cluster: Cluster, stored: Stored): ReturnType<typeof podsOf> {
  const { object } = stored;
  if (object.kind === "Pod") return [object];
  return object.kind === "Deployment" ? podsOf(cluster, stored) : [];
}

/** Why an object's pods are not well, where their kubelet knows: the first one's words. */
function reason(cluster: Cluster, stored: Stored): string {
  const [trouble] = podsBehind(cluster, stored).flatMap(
    ({ metadata }) => cluster.runner(metadata.uid)?.trouble ?? [],
  );
  return trouble === undefined ? "" : ` (${trouble})`;
}

interface Subject {
  readonly key: ReturnType<typeof objectRef>;
  readonly uid: string;
}

function isSo(cluster: Cluster, { key, uid }: Subject, state: AwaitedState): boolean {
  const stored = cluster.store.get(key);
  if (stored === undefined || stored.object.metadata.uid !== uid) {
    if (state === "deleted") return true;
    throw new Error(`${nameOf(key)} was deleted while it was waited for`);
  }
  const { status } = withStatus(cluster, stored) as { readonly status?: WithConditions };
  return status?.conditions?.some((one) => one.type === state && one.status === "True") === true;
}

interface WithConditions {
  readonly conditions?: readonly { readonly type: string; readonly status: string }[];
}
