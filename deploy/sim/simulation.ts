/** Composition root of a running simulation: builds in order, takes down in reverse. */

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { bindMount, mountBpf, setPropagation } from "../../agent/kernel/namespace-calls.ts";
import { compile } from "../../control/compile/compile.ts";
import type { Pod } from "../../control/k8s/api/pod.ts";
import { applyChanges, EMPTY_WORLD } from "../../control/world.ts";
import { createCgroup } from "./cgroups.ts";
import { removeAll, removeLeftovers, supervisorMark } from "./cleanup.ts";
import { Cluster } from "./cluster/cluster.ts";
import { isReady } from "./cluster/endpoints.ts";
import { systemObjects } from "./cluster/system-objects.ts";
import { ClusterDns } from "./dns/server.ts";
import { ClusterIpBalancer } from "./lb/cluster-ip.ts";
import { virtualPorts } from "./lb/tables.ts";
import { type AgentView, askAgent, setUpTrouble } from "./mesh/agent-admin.ts";
import { Mesh } from "./mesh/mesh.ts";
import { SimPrometheus } from "./mesh/prometheus.ts";
import { createFabric } from "./net/fabric.ts";
import { nodePlan } from "./net/plan.ts";
import { nodePaths, type SimPaths } from "./paths.ts";

/** How often readiness is looked at while waiting: fast enough to feel immediate. */
const POLL_MS = 50;

/** What `sim up` asks for. */
export interface SimulationOptions {
  readonly sim: SimPaths;
  readonly nodes: number;
  /** Without: only the cluster, no control and no agents. */
  readonly mesh: boolean;
  /** Data workers per agent. */
  readonly workers: number;
  /** Port of this machine's loopback for a Prometheus beside the mesh, 0 = a free one; undefined = no Prometheus. */
  readonly prometheusPort: number | undefined;
  readonly log: (line: string) => void;
}

/** A pod that should be in the mesh and is not. */
export interface Outsider {
  readonly pod: Pod;
  /** In words. */
  readonly why: string;
  /** Its agent tried and can't; else it is only not so far yet. */
  readonly trouble: boolean;
}

/** A running simulation. */
export class Simulation {
  readonly cluster: Cluster;
  readonly mesh: Mesh | undefined;
  readonly prometheus: SimPrometheus | undefined;
  readonly sim: SimPaths;
  readonly #dns: ClusterDns;
  readonly #balancer: ClusterIpBalancer;

  private constructor(options: SimulationOptions) {
    this.sim = options.sim;
    const nodes = Array.from({ length: options.nodes }, (_, i) => nodePlan(i + 1));
    createFabric(options.sim, nodes);
    for (const node of nodes) createCgroup(nodePaths(options.sim, node.name).cgroup);
    this.#balancer = new ClusterIpBalancer(options.sim.cgroup);
    this.cluster = new Cluster({
      sim: options.sim,
      nodes,
      onReconciled: () => this.#balance(),
      log: options.log,
    });
    for (const object of systemObjects(nodes)) this.cluster.store.put(object);
    this.#dns = new ClusterDns(() => ({
      services: this.cluster.store.list("Service"),
      slices: this.cluster.store.list("EndpointSlice"),
    }));
    for (const node of nodes) this.#dns.listen(nodePaths(options.sim, node.name).netns);
    this.mesh = options.mesh
      ? new Mesh(options.sim, nodes, { workers: options.workers })
      : undefined;
    this.mesh?.start();
    const { prometheusPort } = options;
    this.prometheus =
      prometheusPort === undefined
        ? undefined
        : new SimPrometheus(options.sim, nodes, prometheusPort);
  }

  /** Builds all but the users' objects. What an earlier run left is removed first. */
  static async start(options: SimulationOptions): Promise<Simulation> {
    for (const leftover of await removeLeftovers(options.sim))
      options.log(`removed what an earlier run left: ${leftover}`);
    prepareDirectory(options.sim);
    let simulation: Simulation;
    try {
      simulation = new Simulation(options);
    } catch (error) {
      await removeLeftovers(options.sim);
      throw error;
    }
    try {
      await simulation.prometheus?.start();
      return simulation;
    } catch (error) {
      await simulation.close();
      throw error;
    }
  }

  /** Waits until all pods are ready and in the mesh where they belong there, and all agents; throws what is missing after the time. */
  async untilReady(
    timeoutMs: number,
    onProgress: (line: string) => void,
    stopping?: AbortSignal,
  ): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    let said = "";
    for (;;) {
      const awaited = await this.awaited();
      if (stopping?.aborted) throw new Error("interrupted");
      if (awaited === "") return;
      if (awaited !== said) onProgress(`waiting for ${awaited}`);
      said = awaited;
      if (Date.now() > deadline)
        throw new Error(`not ready after ${timeoutMs / 1_000} s: still waiting for ${awaited}`);
      await sleep(POLL_MS);
    }
  }

  /** What is not ready yet, in words; empty when all is. */
  async awaited(): Promise<string> {
    if (!this.cluster.settled()) {
      const pods = this.cluster.pods();
      const ready = pods.filter(isReady);
      const ill = pods.map((pod) => this.#illness(pod)).find((words) => words !== undefined);
      return `pods (${ready.length} of ${pods.length} ready${ill === undefined ? "" : `; ${ill}`})`;
    }
    const agents = (await this.mesh?.agents()) ?? [];
    const waiting = agents.find((agent) => !agent.ready);
    if (waiting !== undefined) return `agent/${waiting.node} (${waiting.awaiting})`;
    const outside = await this.outsiders();
    const first = outside.find(({ trouble }) => trouble) ?? outside[0];
    if (first !== undefined) return `${podName(first.pod)} (${first.why})`;
    return (await this.prometheus?.ready()) === false ? "Prometheus" : "";
  }

  /** Pods that are ready and belong into the mesh, but are not in it by their agents' own words. */
  async outsiders(): Promise<readonly Outsider[]> {
    const views = await this.agentViews();
    const enrolled = this.enrolled();
    return this.cluster.pods().flatMap((pod): readonly Outsider[] => {
      const { uid, deletionTimestamp } = pod.metadata;
      const view = views.get(pod.spec.nodeName);
      if (view === undefined || !enrolled.has(uid) || !isReady(pod)) return [];
      if (deletionTimestamp !== undefined) return [];
      const seen = view.pods.find((one) => one.uid === uid);
      const trouble = seen && setUpTrouble(seen);
      if (trouble !== undefined)
        return [{ pod, trouble: true, why: `could not be set up in the mesh: ${trouble}` }];
      return seen?.state === "caught"
        ? []
        : [{ pod, trouble: false, why: "its agent does not catch it yet" }];
    });
  }

  /** Uids of the pods that belong into the mesh, by control's own rules. */
  enrolled(): ReadonlySet<string> {
    const changes = this.cluster.store
      .all()
      .map(({ object }) => ({ kind: "apply" as const, object }));
    const { workloads } = compile(applyChanges(EMPTY_WORLD, changes));
    return new Set([...workloads.values()].flatMap((one) => (one.enrolment ? [one.uid] : [])));
  }

  /** What the agents that answer say of themselves, by node. */
  async agentViews(): Promise<ReadonlyMap<string, AgentView>> {
    if (this.mesh === undefined) return new Map();
    const asked = this.cluster.nodes.map(async ({ name }) => {
      const view = await askAgent(nodePaths(this.sim, name).agentAdmin);
      return view === undefined ? [] : [[name, view] as const];
    });
    return new Map((await Promise.all(asked)).flat());
  }

  /** Why a pod will not become ready by waiting alone. */
  #illness(pod: Pod): string | undefined {
    const runner = this.cluster.runner(pod.metadata.uid);
    const trouble = runner?.trouble;
    return trouble === undefined ? undefined : `${podName(pod)}: ${trouble}`;
  }

  #balance(): void {
    const { store } = this.cluster;
    this.#balancer.update(virtualPorts(store.list("Service"), store.list("EndpointSlice")));
  }

  /** Takes everything down: pods without grace, mesh, DNS, namespaces, files. */
  async close(): Promise<void> {
    try {
      this.#dns.close();
      await this.prometheus?.stop();
      await this.mesh?.stop();
      await this.cluster.close();
      this.#balancer[Symbol.dispose]();
    } finally {
      // Whatever went wrong on the way: nothing stays behind.
      await removeAll(this.sim);
    }
  }
}

/** How a pod is named in messages: with its namespace where that is not the default one. */
export function podName({ metadata: { name, namespace } }: Pod): string {
  return namespace === "default" ? `pod/${name}` : `pod/${name} in namespace ${namespace}`;
}

/** A directory that is a mount of its own, shared: unmounting here then also unmounts in pods' mount namespaces. */
function prepareDirectory(sim: SimPaths): void {
  mkdirSync(sim.root, { recursive: true, mode: 0o700 });
  bindMount(sim.root, sim.root);
  setPropagation(sim.root, "private");
  setPropagation(sim.root, "shared");
  mkdirSync(join(sim.root, "bpf"));
  mountBpf(sim.bpf);
  writeFileSync(sim.pidFile, supervisorMark());
}
