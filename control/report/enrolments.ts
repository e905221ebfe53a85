/**
 * Which pods have come into the mesh, or out of it, since this replica leads: each is told by an Event on the pod, so
 * that `kubectl describe pod` shows it. Pods that were enrolled before have been told by the leader of before; what changes
 * while nobody leads is told by nobody. No I/O.
 */

import type { Workload } from "#model/workload.ts";
import { type Statement, statementFor } from "./events.ts";

/** What is yet to be told, pod by pod; only the last word about each. */
export class Enrolments {
  #seen: ReadonlyMap<string, Workload> | undefined;
  readonly #untold = new Map<string, Statement>();

  /** Takes all pods as they are now, by uid, and gives what is to be told, the longest-known first. */
  look(now: ReadonlyMap<string, Workload>): readonly Statement[] {
    const before = this.#seen;
    this.#seen = now;
    if (before !== undefined && before !== now) this.#compare(before, now);
    return [...this.#untold.values()];
  }

  /** It was told, or will never be. */
  told({ uid = "" }: Statement): void {
    this.#untold.delete(uid);
  }

  #compare(before: ReadonlyMap<string, Workload>, now: ReadonlyMap<string, Workload>): void {
    for (const [uid, workload] of now) {
      const old = before.get(uid);
      if (old === workload) continue;
      const [was, is] = [old?.enrolment !== undefined, workload.enrolment !== undefined];
      if (was !== is) this.#untold.set(uid, is ? enrolled(workload) : unenrolled(workload));
    }
    // Of a pod that is gone nobody reads.
    for (const uid of this.#untold.keys()) if (!now.has(uid)) this.#untold.delete(uid);
  }
}

function enrolled(workload: Workload): Statement {
  const { namespace, name, node } = workload;
  return statementFor(subjectOf(workload), {
    type: "Normal",
    reason: "enrolled",
    message: `new connections go through the agent of node ${node}, those that are open stay as they are; nodemesh status ${name} -n ${namespace} says whether the agent has it`,
  });
}

function unenrolled(workload: Workload): Statement {
  return statementFor(subjectOf(workload), {
    type: "Normal",
    reason: "unenrolled",
    message: "new connections go directly; those that the agent carries go on to their end",
  });
}

function subjectOf({ namespace, name, uid }: Workload): Parameters<typeof statementFor>[0] {
  return { ref: { kind: "Pod", namespace, name }, uid };
}
