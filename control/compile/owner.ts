/** Who a pod counts as in telemetry (docs/metrics.md, "Workloads"): who is rolled out or run again, not what runs now. */

import type { Pod } from "../k8s/api/pod.ts";

/**
 * How a CronJob names its Jobs: its own name and the minutes since 1970 of the run's time, eight digits until 2160
 * (kubernetes/pkg/controller/cronjob, getJobName). A Job that a person named so counts as that CronJob's.
 */
const RUN_OF_CRONJOB = /^(.+)-[0-9]{8}$/;

/** The name of the pod's workload. Control reads no Jobs and no ReplicaSets: names and labels that controllers give say it. */
export function ownerOf({ metadata }: Pod): string {
  const owner = metadata.ownerReferences.find((reference) => reference.controller);
  if (owner === undefined) return metadata.name;
  switch (owner.kind) {
    case "ReplicaSet":
      return deploymentOf(owner.name, metadata.labels["pod-template-hash"]);
    case "Job":
      return RUN_OF_CRONJOB.exec(owner.name)?.[1] ?? owner.name;
    default:
      return owner.name;
  }
}

/**
 * A Deployment's ReplicaSet is named `deployment-hash`, and its pods carry the hash as a label; one without that label is
 * nobody's but a person's.
 */
function deploymentOf(replicaSet: string, hash: string | undefined): string {
  const suffix = `-${hash}`;
  return hash !== undefined && replicaSet.endsWith(suffix)
    ? replicaSet.slice(0, -suffix.length)
    : replicaSet;
}
