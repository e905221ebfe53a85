/** The real mesh in the simulation: one control, one agent per node, started as any node would start them. */

import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { AGENT_NODE_FLAGS } from "../../../agent/node-flags.ts";
import type { NodePlan } from "../net/plan.ts";
import { nodePaths, type SimPaths } from "../paths.ts";
import type { KernelEvents } from "./agent-admin.ts";
import { Daemon, type DaemonState } from "./daemon.ts";
import { fetchInNetns } from "./netns-fetch.ts";

/** Port of metrics and readiness of every agent, on its node's address. */
export const AGENT_METRICS_PORT = 15020;
/** Port of control's metrics, on the first node's address. */
export const CONTROL_METRICS_PORT = 15021;

/** One agent as `sim status` shows it. */
export interface AgentStatus {
  readonly node: string;
  readonly process: DaemonState;
  readonly ready: boolean;
  /** What /ready said: empty when it is ready. */
  readonly awaiting: string;
  /** Of the snapshot it has taken; undefined when it does not answer. */
  readonly snapshotVersion?: number;
  /** What the kernel's programs counted, from its admin socket; absent when it does not answer. */
  readonly kernelEvents?: KernelEvents | undefined;
}

/** Control and agents. */
export class Mesh {
  readonly #sim: SimPaths;
  readonly #nodes: readonly NodePlan[];
  readonly #control: Daemon;
  readonly #agents: ReadonlyMap<string, Daemon>;

  constructor(sim: SimPaths, nodes: readonly NodePlan[], options: { readonly workers: number }) {
    this.#sim = sim;
    this.#nodes = nodes;
    this.#control = controlDaemon(sim, nodes);
    this.#agents = new Map(
      nodes.map((node) => [node.name, agentDaemon(sim, node, options.workers)]),
    );
  }

  /** Starts all processes. */
  start(): void {
    this.#control.start();
    for (const agent of this.#agents.values()) agent.start();
  }

  /** Stops agents first: they say good-bye while control still listens. */
  async stop(): Promise<void> {
    await Promise.all([...this.#agents.values()].map((agent) => agent.stop()));
    await this.#control.stop();
  }

  /** The daemon of that name: `control` or `agent/NODE`. */
  daemon(name: string): Daemon | undefined {
    if (name === "control") return this.#control;
    return name.startsWith("agent/") ? this.#agents.get(name.slice("agent/".length)) : undefined;
  }

  /** Names that daemon() knows. */
  names(): readonly string[] {
    return ["control", ...[...this.#agents.keys()].map((node) => `agent/${node}`)];
  }

  /** Control's process. */
  controlState(): DaemonState {
    return this.#control.state;
  }

  /** Every agent, asked now. */
  async agents(): Promise<readonly AgentStatus[]> {
    return Promise.all(this.#nodes.map((node) => this.#agentStatus(node)));
  }

  async #agentStatus(node: NodePlan): Promise<AgentStatus> {
    const process = this.#agents.get(node.name)?.state ?? { kind: "stopped", restarts: 0 };
    const base = { node: node.name, process };
    if (process.kind !== "running") return { ...base, ready: false, awaiting: "the process" };
    const ask = (path: string) =>
      fetchInNetns({
        netns: nodePaths(this.#sim, node.name).netns,
        ip: node.address.ipv4,
        port: AGENT_METRICS_PORT,
        path,
      });
    const ready = await ask("/ready");
    if (ready === undefined) return { ...base, ready: false, awaiting: "an answer on /ready" };
    const metrics = (await ask("/metrics"))?.body ?? "";
    const version = /^nodemesh_snapshot_version(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1];
    return {
      ...base,
      ready: ready.status === 200,
      awaiting: ready.status === 200 ? "" : ready.body.trim(),
      ...(version === undefined ? {} : { snapshotVersion: Number(version) }),
    };
  }
}

function controlDaemon(sim: SimPaths, nodes: readonly NodePlan[]): Daemon {
  const [first] = nodes;
  if (first === undefined) throw new Error("a simulation has at least one node");
  return new Daemon({
    name: "control",
    cgroup: join(sim.cgroup, "control"),
    netns: nodePaths(sim, first.name).netns,
    logFile: join(sim.root, "control.log"),
    command: [
      process.execPath,
      program("control/main.ts"),
      ...["--manifests", sim.objects],
      ...["--listen", `unix:${controlSocket(sim)}`],
      ...["--metrics", `${first.address.ipv4}:${CONTROL_METRICS_PORT}`],
      ...["--admin", join(sim.root, "control-admin.sock")],
    ],
  });
}

function agentDaemon(sim: SimPaths, node: NodePlan, workers: number): Daemon {
  const paths = nodePaths(sim, node.name);
  return new Daemon({
    name: `agent/${node.name}`,
    cgroup: join(paths.cgroup, "agent"),
    netns: paths.netns,
    logFile: paths.agentLog,
    command: [
      process.execPath,
      ...AGENT_NODE_FLAGS,
      program("agent/main.ts"),
      ...["--node", node.name],
      ...["--control", `unix:${controlSocket(sim)}`],
      ...["--cgroup", paths.cgroup],
      ...["--pin-dir", paths.pins],
      ...["--pod-netns-dir", paths.pods],
      ...["--metrics", `${node.address.ipv4}:${AGENT_METRICS_PORT}`],
      ...["--admin", paths.agentAdmin],
      ...["--state-dir", paths.state],
      ...["--workers", String(workers)],
    ],
  });
}

function controlSocket(sim: SimPaths): string {
  return join(sim.root, "control.sock");
}

function program(path: string): string {
  return fileURLToPath(new URL(`../../../${path}`, import.meta.url));
}
