/** What a StatefulSet and a DaemonSet want done next. Pure. */

import type { OwnedPod } from "./deployment.ts";

/** What to do now; more may follow when that is done. */
export interface NamedPlan {
  /** Names (StatefulSet) or nodes (DaemonSet) of pods to make. */
  readonly create: readonly string[];
  readonly remove: readonly string[];
}

/**
 * One step of a StatefulSet: pods NAME-0, NAME-1… start in order, each after its predecessors are ready;
 * they end and are renewed from the highest number down, one at a time.
 */
export function planStatefulSet(
  set: { readonly name: string; readonly replicas: number; readonly hash: string },
  pods: readonly OwnedPod[],
): NamedPlan {
  const byName = new Map(pods.map((pod) => [pod.name, pod]));
  // A pod keeps its name, so nothing happens before the one that ends is gone.
  if (pods.some((pod) => pod.terminating)) return { create: [], remove: [] };
  for (let ordinal = 0; ordinal < set.replicas; ordinal++) {
    const name = `${set.name}-${ordinal}`;
    const pod = byName.get(name);
    if (pod === undefined) return { create: [name], remove: [] };
    if (!pod.ready && pod.hash === set.hash) return { create: [], remove: [] };
  }
  const highestFirst = [...pods].sort((a, b) => ordinalOf(b.name) - ordinalOf(a.name));
  const victim = highestFirst.find(
    (pod) => ordinalOf(pod.name) >= set.replicas || pod.hash !== set.hash,
  );
  return { create: [], remove: victim === undefined ? [] : [victim.name] };
}

/** A pod of a DaemonSet. */
export interface DaemonPod extends OwnedPod {
  readonly node: string;
}

/** One step of a DaemonSet: one pod on each node, renewed one at a time once the others are ready. */
export function planDaemonSet(
  nodes: readonly string[],
  hash: string,
  pods: readonly DaemonPod[],
): NamedPlan {
  const covered = new Set(pods.map((pod) => pod.node));
  const create = nodes.filter((node) => !covered.has(node));
  const stray = pods.filter((pod) => !pod.terminating && !nodes.includes(pod.node));
  const old = pods.filter((pod) => pod.hash !== hash && !pod.terminating);
  const calm = create.length === 0 && pods.every((pod) => pod.ready && !pod.terminating);
  const unready = old.filter((pod) => !pod.ready);
  const renewed = unready.length > 0 ? unready : calm ? old.slice(0, 1) : [];
  return { create, remove: [...new Set([...stray, ...renewed])].map((pod) => pod.name) };
}

function ordinalOf(name: string): number {
  return Number(/-(\d+)$/.exec(name)?.[1] ?? -1);
}
