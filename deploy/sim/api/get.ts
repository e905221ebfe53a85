/** `get`: objects with the status that Kubernetes' controllers would have written into them. Pure but for the reading. */

import type { Pod } from "../../../control/k8s/api/pod.ts";
import type { Cluster } from "../cluster/cluster.ts";
import { templateHash } from "../cluster/decide.ts";
import { isReady } from "../cluster/endpoints.ts";
import { jobProgress } from "../cluster/job.ts";
import type { RawObject, Stored } from "../cluster/raw.ts";
import type { Reply, Target } from "./protocol.ts";
import { findTarget, podsOf } from "./targets.ts";

/** The objects a target means. */
export function getObjects(cluster: Cluster, target: Target): Reply {
  const { objects, missing } = findTarget(cluster, target);
  return { lines: [], problems: missing, objects: objects.map((one) => withStatus(cluster, one)) };
}

/** A controller's object with its status; others as they are. */
export function withStatus(cluster: Cluster, stored: Stored): RawObject {
  const { raw, object } = stored;
  switch (object.kind) {
    case "Job": {
      const { state, ...counts } = jobProgress(object.spec, podsOf(cluster, stored));
      return { ...raw, status: { ...counts, conditions: jobConditions(state) } };
    }
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      return { ...raw, status: controllerStatus(cluster, stored, object.spec.replicas) };
    default:
      return raw;
  }
}

function jobConditions(state: "running" | "complete" | "failed"): readonly unknown[] {
  if (state === "running") return [];
  return [{ type: state === "complete" ? "Complete" : "Failed", status: "True" }];
}

function controllerStatus(
  cluster: Cluster,
  stored: Stored,
  asked: number,
): Readonly<Record<string, unknown>> {
  const wanted = stored.object.kind === "DaemonSet" ? cluster.nodes.length : asked;
  const pods = podsOf(cluster, stored).filter((pod) => !pod.metadata.deletionTimestamp);
  const hash = templateHash(stored.raw.spec?.["template"]);
  const ready = pods.filter(isReady).length;
  return {
    wanted,
    replicas: pods.length,
    readyReplicas: ready,
    availableReplicas: ready,
    updatedReplicas: pods.filter((pod) => hashOf(pod) === hash).length,
    conditions: [{ type: "Available", status: ready >= wanted ? "True" : "False" }],
  };
}

function hashOf({ metadata }: Pod): string | undefined {
  return metadata.labels["pod-template-hash"] ?? metadata.labels["controller-revision-hash"];
}
