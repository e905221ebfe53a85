/** From a Target to the objects it means, with kubectl's messages when there are none. */

import type { Pod } from "../../../control/k8s/api/pod.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { matchesLabels } from "../cluster/endpoints.ts";
import { JOB_LABEL } from "../cluster/pod-factory.ts";
import { nameOf, type Stored } from "../cluster/raw.ts";
import { EVERY_NAMESPACE, type Target } from "./protocol.ts";

/** Kinds without a namespace. */
const CLUSTER_WIDE: ReadonlySet<string> = new Set(["Namespace", "Node"]);

/** What was found, and a message for each name that was not. */
export interface Found {
  readonly objects: readonly Stored[];
  readonly missing: readonly string[];
}

/** The objects a target means. */
export function findTarget(cluster: Cluster, target: Target): Found {
  const inScope = cluster.store
    .stored(target.kind)
    .filter(
      ({ object }) =>
        CLUSTER_WIDE.has(target.kind) ||
        target.namespace === EVERY_NAMESPACE ||
        object.metadata.namespace === target.namespace,
    );
  if (target.names.length === 0) {
    const chosen = inScope.filter(({ object }) =>
      matchesLabels(target.selector, object.metadata.labels),
    );
    return { objects: chosen, missing: [] };
  }
  const byName = new Map(inScope.map((one) => [one.object.metadata.name, one]));
  return {
    objects: target.names.flatMap((name) => byName.get(name) ?? []),
    missing: target.names
      .filter((name) => !byName.has(name))
      .map((name) => notFound(target, name, [...byName.keys()])),
  };
}

/** kubectl's words when a selector or --all chose nothing. */
export function noneFound(
  target: Target,
  objects: readonly unknown[],
  missing: readonly string[],
): readonly string[] {
  if (objects.length > 0 || missing.length > 0) return [];
  const where =
    CLUSTER_WIDE.has(target.kind) || target.namespace === EVERY_NAMESPACE
      ? ""
      : ` in namespace ${target.namespace}`;
  return [`no ${target.kind} found${where}; see: nodemesh sim get ${target.kind.toLowerCase()} -A`];
}

/** One pod for a verb that needs one: a pod by name, or a ready pod of a Deployment and the like. Throws when there is none. */
export function findPod(cluster: Cluster, target: Target): Pod {
  const { objects, missing } = findTarget(cluster, target);
  const [problem] = missing;
  const [first] = objects;
  if (problem !== undefined) throw new Error(problem);
  if (first === undefined)
    throw new Error(`no ${target.kind} in namespace ${target.namespace} matches`);
  if (first.object.kind === "Pod") return first.object;
  const pods = podsOf(cluster, first);
  const running = pods.filter((pod) => pod.metadata.deletionTimestamp === undefined);
  const ready = running.find((pod) =>
    pod.status.conditions.some((one) => one.type === "Ready" && one.status === "True"),
  );
  const chosen = ready ?? running[0];
  if (chosen === undefined)
    throw new Error(
      `${nameOf({ kind: target.kind, name: first.object.metadata.name })} has no pod right now; see: nodemesh sim status`,
    );
  return chosen;
}

/** The pods that a controller or a Service selects. Throws when it is of a kind that has none. */
export function podsOf(cluster: Cluster, stored: Stored): readonly Pod[] {
  const { object } = stored;
  const selector = selectorOf(stored);
  if (selector === undefined)
    throw new Error(
      `${object.kind} ${object.metadata.name} has no pods; name a pod or deploy/NAME`,
    );
  return cluster
    .pods()
    .filter(
      (pod) =>
        pod.metadata.namespace === object.metadata.namespace &&
        matchesLabels(selector, pod.metadata.labels),
    );
}

function selectorOf({ object }: Stored): Readonly<Record<string, string>> | undefined {
  switch (object.kind) {
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      return object.spec.selector.matchLabels;
    case "Service":
      return object.spec.selector;
    case "Job":
      return { [JOB_LABEL]: object.metadata.name };
    default:
      return undefined;
  }
}

function notFound(target: Target, name: string, known: readonly string[]): string {
  const hint =
    known.length === 0 ? "there are none" : `there are: ${known.slice(0, 10).join(", ")}`;
  const where = CLUSTER_WIDE.has(target.kind) ? "" : ` in namespace ${target.namespace}`;
  return `${nameOf({ kind: target.kind, name })} not found${where} (${hint})`;
}
