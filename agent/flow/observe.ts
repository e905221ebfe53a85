/**
 * Who hears of a request or connection beyond the counts. One draw when it begins decides for all who want a share of
 * them: the log of its client's side and that of its server's. Nothing is looked at while nobody of this node wants any.
 */

import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { type FindWorkload, type Reporter, reportersOf, type Served } from "./labels.ts";
import type { Plan } from "./plan.ts";

/** What an observer is made with. */
export interface ObserverInputs {
  /** This agent's node. */
  readonly node: string;
  readonly workload: FindWorkload;
  /** Share that is logged of pods whose owners say nothing, 0 to 1. */
  readonly accessLog: number;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** Decides what of one worker's requests and connections is observed. */
export class Observer {
  readonly #inputs: ObserverInputs;
  /** Pods of this node whose owners ask for a share of their own. */
  readonly #asking: Set<string> = new Set();
  /** The largest share of either side: plans are made anew when anything that is known has changed. */
  readonly #most: WeakMap<Plan, number> = new WeakMap();

  constructor(inputs: ObserverInputs) {
    this.#inputs = inputs;
  }

  /** Follows the pods of this node. */
  apply({ base, upsertWorkloads, removeWorkloads }: SnapshotDelta): void {
    if (base === "nothing") this.#asking.clear();
    for (const uid of removeWorkloads) this.#asking.delete(uid);
    for (const { uid, node, enrolment } of upsertWorkloads) {
      if (node === this.#inputs.node && (enrolment?.accessLog ?? 0) > 0) this.#asking.add(uid);
      else this.#asking.delete(uid);
    }
  }

  /** What was drawn for a request or connection that begins, from 0 up to 1; undefined: nobody may want it. */
  draw(plan: Plan): number | undefined {
    const { accessLog, random } = this.#inputs;
    if (accessLog === 0 && this.#asking.size === 0) return undefined;
    const most = this.#mostOf(plan);
    if (most === 0) return undefined;
    const drawn = random();
    return drawn < most ? drawn : undefined;
  }

  /** The sides that log it. */
  logging(plan: Plan, served: Served | undefined, drawn: number): readonly Reporter[] {
    const { node } = this.#inputs;
    return reportersOf({ plan, served, node }).filter((reporter) => {
      const pod = reporter === "source" ? podOf(plan.source) : served?.workload;
      return drawn < this.#shareOf(pod);
    });
  }

  #mostOf(plan: Plan): number {
    let most = this.#most.get(plan);
    if (most === undefined) {
      most = Math.max(this.#shareOf(podOf(plan.source)), this.#mostServed(plan));
      this.#most.set(plan, most);
    }
    return most;
  }

  #mostServed({ nextHop }: Plan): number {
    if (nextHop.kind === "fixed") return this.#shareOf(nextHop.workload);
    let most = 0;
    for (const { workload: uid = "" } of nextHop.entry.port.endpoints)
      most = Math.max(most, this.#shareOf(this.#inputs.workload(uid)));
    return most;
  }

  /** Of pods of other nodes, the agents there decide. */
  #shareOf(pod: Workload | undefined): number {
    const { node, accessLog } = this.#inputs;
    if (pod?.enrolment === undefined || pod.node !== node) return 0;
    return pod.enrolment.accessLog ?? accessLog;
  }
}

function podOf(party: Plan["source"]): Workload | undefined {
  return "kind" in party ? undefined : party;
}
