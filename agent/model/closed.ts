/** Pods that must not be reached, since what restricts them can't be told: pure. */

import { DEFAULT_ENROLMENT } from "./enrolment.ts";
import { KIND } from "./kinds.ts";
import type { Workload } from "./workload.ts";

/**
 * The workload as an agent of that format is told it when it is too old for something that restricts the pod: refused both
 * ways, and nothing of it past the agent. Formats 1 and 2 have no word for that and get the strictest that they have: nobody
 * from outside the mesh, nobody while no agent is there. Pods that are not enrolled are nobody's to close.
 */
export function closedFor(workload: Workload, format: number): Workload {
  if (workload.enrolment === undefined) return workload;
  const { closed: _, ...rest } = workload;
  const enrolment = { ...DEFAULT_ENROLMENT, fail: "closed", mtls: "strict" } as const;
  const closed: Workload = { ...rest, enrolment, closed: true };
  return KIND.workloads.formatOf(closed) <= format ? closed : { ...rest, enrolment };
}
