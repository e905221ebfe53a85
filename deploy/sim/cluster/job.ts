/** What a Job wants done next, and how far it is. Pure. */

import type { Job } from "../../../control/k8s/api/controllers.ts";
import type { Pod } from "../../../control/k8s/api/pod.ts";
import type { PodPlan } from "./deployment.ts";

/** How far a Job is. */
export interface JobProgress {
  readonly active: number;
  readonly succeeded: number;
  readonly failed: number;
  readonly state: "running" | "complete" | "failed";
}

/** Counts a Job's pods. It has failed for good when more pods failed than `backoffLimit` allows. */
export function jobProgress(
  spec: Pick<Job["spec"], "completions" | "backoffLimit">,
  pods: readonly Pod[],
): JobProgress {
  const count = (phase: string): number => pods.filter((pod) => pod.status.phase === phase).length;
  const [succeeded, failed] = [count("Succeeded"), count("Failed")];
  const complete = succeeded >= spec.completions;
  const state = complete ? "complete" : failed > spec.backoffLimit ? "failed" : "running";
  return { active: pods.length - succeeded - failed, succeeded, failed, state };
}

/** One step: as many pods at a time as `parallelism` says until enough have succeeded; ended ones stay to be read. */
export function planJob(
  spec: Pick<Job["spec"], "completions" | "parallelism" | "backoffLimit">,
  pods: readonly Pod[],
): PodPlan {
  const { active, succeeded, state } = jobProgress(spec, pods);
  if (state === "running") {
    const wanted = Math.min(spec.parallelism, spec.completions - succeeded);
    return { create: Math.max(0, wanted - active), remove: [] };
  }
  const running = pods.filter(({ status }) => !["Succeeded", "Failed"].includes(status.phase));
  return { create: 0, remove: running.map((pod) => pod.metadata.name) };
}
