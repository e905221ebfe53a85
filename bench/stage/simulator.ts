/**
 * The stage in the simulator: one node with the real agent, three nginx pods behind a Service, and three
 * client pods: `plain` (not enrolled: direct, and the sidecars live beside it), `meshed` (enrolled), `fresh`
 * (enrolled and un-enrolled while it runs). All on one node, so all use the same bridge and veth pairs.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Location, StatusReport } from "../../deploy/sim/api/protocol.ts";
import { callApi } from "../../deploy/sim/api/wire.ts";
import { sandboxed } from "../../deploy/sim/kubelet/sandbox.ts";
import type { DaemonState } from "../../deploy/sim/mesh/daemon.ts";
import { simPaths } from "../../deploy/sim/paths.ts";
import { runProgram, type Service, startService, until } from "../harness/process.ts";
import { BACKEND_PORT, writeBackend } from "./backend.ts";
import { manifests } from "./manifests.ts";
import type { Stage } from "./stage.ts";

/** Name of the simulation; two benches at once need two. */
let simulation = "bench";
const SIM = [process.execPath, new URL("../../deploy/sim/main.ts", import.meta.url).pathname];
const UP_TIMEOUT_MS = 90_000;
const RESTART_TIMEOUT_MS = 30_000;

/** The simulator with the bench's pods in it. */
export interface SimulatorStage extends AsyncDisposable {
  /** The pod outside the mesh. */
  readonly plain: Stage;
  /** The enrolled pod. */
  readonly meshed: Stage;
  /** The pod that is enrolled only on demand. */
  readonly fresh: Stage;
  /** `ADDRESS:PORT` of the Service whose port is opaque TCP. */
  readonly opaque: string;
  /** Processes of the node's agent as they are now: a restarted agent has another one. */
  agentPids(): Promise<readonly number[]>;
  /** The process of control. */
  controlPids(): Promise<readonly number[]>;
  /** The version of the snapshot that the node's agent has taken last. */
  snapshotVersion(): Promise<number>;
  /** Ends the agent and waits until its successor, which has carried nothing yet, is ready. */
  freshAgent(): Promise<void>;
  /** Annotates the pod `fresh` with mesh/enabled. */
  enrolFresh(enabled: boolean): Promise<void>;
}

/** Starts the simulator; takes down first what a crashed run left. Rejects with what `sim up` said. */
export async function simulatorStage(name: string): Promise<SimulatorStage> {
  simulation = name;
  const scratch = mkdtempSync(join(tmpdir(), "nodemesh-bench-sim-"));
  const manifest = join(scratch, "bench.json");
  writeFileSync(manifest, manifests(writeBackend(scratch, "/run/nginx.pid")));
  await using cleaner = new AsyncDisposableStack();
  cleaner.defer(() => rmSync(scratch, { recursive: true, force: true }));
  cleaner.defer(() => sim(["down"])); // also what `up` left half done
  await sim(["down"]);
  await sim(["up", "-f", manifest, "--nodes", "1", "--detach", "--timeout", "60"]);
  const status = await report();
  const direct = serviceAddress(status, "backend");
  const backends = serviceOf(status, "backend").readyEndpoints.filter((ip) => !ip.includes(":"));
  const stage = async (pod: string): Promise<Stage> => {
    const inside = await entrance(pod);
    return {
      backends: backends.map((ip) => `${ip}:${BACKEND_PORT}`),
      direct,
      run: (argv, timeoutMs) => runProgram(inside(argv), { timeoutMs }),
      sidecar: (argv) => startService(argv, podOf(status, pod).netns),
      client: (argv): Service => startService(inside(argv)),
      async [Symbol.asyncDispose]() {
        // the simulator is taken down as a whole
      },
    };
  };
  const pods = {
    plain: await stage("plain"),
    meshed: await stage("meshed"),
    fresh: await stage("fresh"),
  };
  const kept = cleaner.move();
  return {
    ...pods,
    opaque: serviceAddress(status, "opaque"),
    agentPids: async () => agentsOf(await report()),
    controlPids: async () => pidsOf([(await report()).control]),
    snapshotVersion: async () => (await report()).agents[0]?.snapshotVersion ?? Number.NaN,
    freshAgent,
    enrolFresh,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function agentsOf({ agents }: StatusReport): readonly number[] {
  return pidsOf(agents.map((agent) => agent.process));
}

function pidsOf(states: readonly (DaemonState | undefined)[]): readonly number[] {
  return states.flatMap((state) => (state?.kind === "running" ? [state.pid] : []));
}

async function freshAgent(): Promise<void> {
  const before = await report();
  const old = agentsOf(before);
  for (const { name } of before.nodes) {
    const agent = { name: `agent/${name}`, stayDead: false };
    const { problems } = await callApi(simPaths(simulation).api, { verb: "kill", ...agent });
    if (problems.length > 0) throw new Error(problems.join("; "));
  }
  await until(
    () => "fresh agent",
    RESTART_TIMEOUT_MS,
    async () => {
      const now = await report();
      const pids = agentsOf(now);
      return (
        now.awaiting === "" && pids.length === old.length && !pids.some((p) => old.includes(p))
      );
    },
  );
}

/** How to run a command in a pod without `sim exec`, whose own process would count as the machine's work. */
async function entrance(pod: string): Promise<(argv: readonly string[]) => readonly string[]> {
  const target = { kind: "Pod", namespace: "default", names: [pod], selector: {}, all: false };
  const { location, problems } = await callApi(simPaths(simulation).api, {
    verb: "locate",
    target,
  });
  if (location === undefined) throw new Error(`where is pod ${pod}? ${problems.join("; ")}`);
  return (argv) => sandboxed(whereOf(location), argv);
}

function whereOf({ enter, cgroup }: Location): Parameters<typeof sandboxed>[0] {
  if (enter.kind !== "pod") throw new Error("the simulator gave a node for a pod");
  return { pid: enter.pid, cgroup, workingDir: "/" };
}

async function sim(words: readonly string[]): Promise<void> {
  const done = await runProgram([...SIM, "--name", simulation, ...words], {
    timeoutMs: UP_TIMEOUT_MS,
  });
  if (done.code !== 0) throw new Error(`sim ${words[0]} failed: ${done.stdout}${done.stderr}`);
}

async function report(): Promise<StatusReport> {
  const { status } = await callApi(simPaths(simulation).api, { verb: "status" });
  if (status === undefined) throw new Error("the simulator gave no status");
  return status;
}

async function enrolFresh(enabled: boolean): Promise<void> {
  const target = { kind: "Pod", namespace: "default", names: ["fresh"], selector: {}, all: false };
  const { problems } = await callApi(simPaths(simulation).api, {
    verb: "mark",
    field: "annotations",
    target,
    changes: { "mesh/enabled": String(enabled) },
    overwrite: true,
  });
  if (problems.length > 0) throw new Error(problems.join("; "));
}

function podOf(status: StatusReport, name: string): StatusReport["pods"][number] {
  const found = status.pods.find((pod) => pod.name === name);
  if (found === undefined) throw new Error(`the simulator has no pod ${name}`);
  return found;
}

function serviceOf(status: StatusReport, name: string): StatusReport["services"][number] {
  const found = status.services.find((service) => service.name === name);
  if (found === undefined) throw new Error(`the simulator has no service ${name}`);
  return found;
}

function serviceAddress(status: StatusReport, name: string): string {
  return `${serviceOf(status, name).clusterIPs[0]}:80`;
}
