/** `wait --for=…`: until objects are in a state. */

import { setTimeout as sleep } from "node:timers/promises";
import { objectRef, refKey } from "../../../control/k8s/api/decode.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { nameOf } from "../cluster/raw.ts";
import { withStatus } from "./get.ts";
import type { Awaited, AwaitedState, Reply } from "./protocol.ts";
import { findTarget, noneFound } from "./targets.ts";

/** How often it looks again. */
const POLL_MS = 20;

/** Waits until all the targets' objects, as they are named now, are in the state. Throws what is missing after the time. */
export async function awaitState(
  cluster: Cluster,
  { targets, state }: Awaited,
  timeoutMs: number,
): Promise<Reply> {
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
          `timed out: ${refKey(ref)} is not ${state} after ${timeoutMs / 1_000} s; see: nodemesh sim status`,
        );
      await sleep(POLL_MS);
    }
    lines.push(state === "deleted" ? `${nameOf(ref)} deleted` : `${nameOf(ref)} condition met`);
  }
  return { lines, problems: [] };
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
