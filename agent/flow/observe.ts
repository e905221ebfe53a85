/**
 * Who hears of a request or connection beyond the counts. One draw when it begins decides for all who want a share of
 * them: the log of its client's side and that of its server's, the trace. Nothing is looked at while nobody of this node
 * wants any.
 */

import type { TraceShare } from "#model/enrolment.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { type FindWorkload, isMeshed, type Reporter, reportersOf, type Served } from "./labels.ts";
import type { Plan } from "./plan.ts";

/** What an observer is made with. */
export interface ObserverInputs {
  /** This agent's node. */
  readonly node: string;
  readonly workload: FindWorkload;
  /** Share that is logged of pods whose owners say nothing, 0 to 1. */
  readonly accessLog: number;
  /** The same of traces; undefined: there is nowhere to send them, and none are made whatever pods say. */
  readonly trace: TraceShare | undefined;
  /** From 0 up to 1. */
  readonly random: () => number;
}

/** What may be wanted of what begins under a plan. */
export interface Interest {
  /** The larger share of the two sides. */
  readonly log: number;
  readonly trace: TraceShare;
}

const NO_INTEREST: Interest = { log: 0, trace: "off" };

/** Decides what of one worker's requests and connections is observed. */
export class Observer {
  readonly #inputs: ObserverInputs;
  /** Pods of this node whose owners ask for something. */
  readonly #asking: Set<string> = new Set();
  /** Plans are made anew when anything that is known has changed. */
  readonly #interests: WeakMap<Plan, Interest> = new WeakMap();
  /** Whether there is anything for pods whose owners say nothing. */
  readonly #always: boolean;

  constructor(inputs: ObserverInputs) {
    this.#inputs = inputs;
    this.#always = inputs.accessLog > 0 || (inputs.trace ?? "off") !== "off";
  }

  /** Follows the pods of this node. */
  apply({ base, upsertWorkloads, removeWorkloads }: SnapshotDelta): void {
    if (base === "nothing") this.#asking.clear();
    for (const uid of removeWorkloads) this.#asking.delete(uid);
    for (const pod of upsertWorkloads) {
      const { log, trace } = this.#wishesOf(pod);
      if (log > 0 || trace !== "off") this.#asking.add(pod.uid);
      else this.#asking.delete(pod.uid);
    }
  }

  /** What may be wanted of what begins under a plan; undefined: nothing. */
  interest(plan: Plan): Interest | undefined {
    if (!this.#always && this.#asking.size === 0) return undefined;
    let interest = this.#interests.get(plan);
    if (interest === undefined) {
      interest = this.#interestIn(plan);
      this.#interests.set(plan, interest);
    }
    return interest === NO_INTEREST ? undefined : interest;
  }

  /** What the shares are compared with, from 0 up to 1. */
  draw(): number {
    return this.#inputs.random();
  }

  /** The sides that log it. */
  logging(plan: Plan, served: Served | undefined, drawn: number): readonly Reporter[] {
    return this.#sides(plan, served, ({ log }) => drawn < log);
  }

  /** The sides that tell a span of what is traced. */
  tracing(plan: Plan, served: Served | undefined): readonly Reporter[] {
    return this.#sides(plan, served, ({ trace }) => trace !== "off");
  }

  #sides(
    plan: Plan,
    served: Served | undefined,
    wants: (wishes: Interest) => boolean,
  ): readonly Reporter[] {
    const { node } = this.#inputs;
    return reportersOf({ plan, served, node }).filter((reporter) =>
      wants(this.#wishesOf(reporter === "source" ? podOf(plan.source) : served?.workload)),
    );
  }

  #interestIn(plan: Plan): Interest {
    const servers = this.#wishesOfServers(plan);
    const own = plan.direction === "inbound" ? servers : [this.#wishesOf(podOf(plan.source))];
    const log = Math.max(0, ...own.map((one) => one.log), ...servers.map((one) => one.log));
    const followed = own.some(({ trace }) => trace !== "off");
    // Whose own agent does not look at traces can't tell a server's pod of the same node of them.
    const shares = [...own, ...servers].map(({ trace }) => (trace === "off" ? 0 : trace));
    const trace = followed ? Math.max(0, ...shares) : "off";
    return log === 0 && trace === "off" ? NO_INTEREST : { log, trace };
  }

  /** Of each kind of server there is one. */
  #wishesOfServers({ nextHop }: Plan): readonly Interest[] {
    if (nextHop.kind === "fixed") return [this.#wishesAt(nextHop.workload, nextHop.address.port)];
    let most: Interest = NO_INTEREST;
    for (const { workload: uid = "", port } of nextHop.entry.port.endpoints)
      most = larger(most, this.#wishesAt(this.#inputs.workload(uid), port));
    return [most];
  }

  #wishesAt(workload: Workload | undefined, port: number): Interest {
    const served = workload && { workload, port, node: workload.node };
    return isMeshed(served) ? this.#wishesOf(workload) : NO_INTEREST;
  }

  /** For pods of other nodes the agents there decide. */
  #wishesOf(pod: Workload | undefined): Interest {
    const { node, accessLog, trace } = this.#inputs;
    if (pod?.enrolment === undefined || pod.node !== node) return NO_INTEREST;
    const { enrolment } = pod;
    return {
      log: enrolment.accessLog ?? accessLog,
      trace: trace === undefined ? "off" : (enrolment.trace ?? trace),
    };
  }
}

function larger(one: Interest, other: Interest): Interest {
  if (other === NO_INTEREST) return one;
  const [a, b] = [one.trace, other.trace];
  const trace = a === "off" ? b : b === "off" ? a : Math.max(a, b);
  return { log: Math.max(one.log, other.log), trace };
}

function podOf(party: Plan["source"]): Workload | undefined {
  return "kind" in party ? undefined : party;
}
