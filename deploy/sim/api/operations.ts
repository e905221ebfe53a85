/** The verbs on a running simulation. */

import { readLog } from "../mesh/log-file.ts";
import { nodePaths } from "../paths.ts";
import type { Simulation } from "../simulation.ts";
import { applyObjects } from "./apply.ts";
import { awaitState } from "./await-state.ts";
import { deleteTargets, mark, scale } from "./change.ts";
import { getObjects } from "./get.ts";
import type { LogSource, Reply, Request, Target } from "./protocol.ts";
import { reportStatus } from "./status.ts";
import { findPod, findTarget, noneFound } from "./targets.ts";

type Of<Verb extends Request["verb"]> = Extract<Request, { verb: Verb }>;

/** Carries out every verb but `down`, which is its caller's. Throws Errors meant for the user. */
export async function operate(
  sim: Simulation,
  request: Exclude<Request, { verb: "down" }>,
): Promise<Reply> {
  switch (request.verb) {
    case "status":
      return { lines: [], problems: [], status: await reportStatus(sim) };
    case "apply":
      return applyObjects(sim.cluster, request.objects, request.namespace);
    case "delete":
      return deleteTargets(sim, request);
    case "mark":
      return mark(sim, request);
    case "scale":
      return scale(sim, request);
    case "kill":
      return kill(sim, request);
    case "crash":
      return crash(sim, request);
    case "revive":
      return revive(sim, request);
    case "logs":
      return logs(sim, request);
    case "get":
      return getObjects(sim.cluster, request.target);
    case "locate":
      return locate(sim, request);
    case "wait":
      if (request.until) return awaitState(sim, request.until, request.timeoutMs);
      await sim.untilReady(request.timeoutMs, () => undefined);
      return { lines: ["everything is ready"], problems: [] };
  }
}

async function kill(sim: Simulation, request: Of<"kill">): Promise<Reply> {
  const daemon = daemonOf(sim, request.name);
  await daemon.kill(request.stayDead);
  const next = request.stayDead
    ? `stays dead until: nodemesh sim revive ${request.name}`
    : "comes back by itself";
  return { lines: [`${request.name} killed (${next})`], problems: [] };
}

/** SIGKILL without warning, as a crash: no endpoint is withdrawn first. */
function crash(sim: Simulation, request: Of<"crash">): Reply {
  const { objects, missing } = findTarget(sim.cluster, request.target);
  const lines = objects.map(({ object }) => {
    if (object.kind !== "Pod") throw new Error(`a ${object.kind} can't be killed; name pod/NAME`);
    sim.cluster.runner(object.metadata.uid)?.crash();
    return `pod/${object.metadata.name} killed (its containers start again by its restart policy)`;
  });
  return { lines, problems: [...missing, ...noneFound(request.target, objects, missing)] };
}

function revive(sim: Simulation, request: Of<"revive">): Reply {
  const daemon = daemonOf(sim, request.name);
  if (daemon.state.kind !== "stopped")
    throw new Error(`${request.name} is not stopped: it is ${daemon.state.kind}`);
  daemon.start();
  return { lines: [`${request.name} started`], problems: [] };
}

function daemonOf(sim: Simulation, name: string) {
  if (sim.mesh === undefined) throw new Error("this simulation runs without a mesh (--no-mesh)");
  const daemon = sim.mesh.daemon(name);
  if (daemon === undefined)
    throw new Error(`there is no "${name}"; there are: ${sim.mesh.names().join(", ")}, pod/NAME`);
  return daemon;
}

function logs(sim: Simulation, { source, from }: Of<"logs">): Reply {
  const piece =
    source.kind === "daemon"
      ? daemonOutput(sim, source.name, from)
      : containerOutput(sim, source, from);
  const { bytes, next } = piece;
  const log = { source: piece.source, base64: bytes.toString("base64"), next };
  return { lines: [], problems: [], log };
}

interface Output {
  readonly source: LogSource;
  readonly bytes: Buffer;
  readonly next: number;
}

function daemonOutput(sim: Simulation, name: string, from: number | undefined): Output {
  return { source: { kind: "daemon", name }, ...readLog(daemonOf(sim, name).logFile, from) };
}

function containerOutput(
  sim: Simulation,
  { target, container }: Extract<LogSource, { kind: "container" }>,
  from: number | undefined,
): Output {
  const { metadata } = findPod(sim.cluster, target);
  const buffer = sim.cluster.runner(metadata.uid)?.log(container);
  const { namespace, name } = metadata;
  const pod: Target = { kind: "Pod", namespace, names: [name], selector: {}, all: false };
  return {
    source: { kind: "container", target: pod, ...(container === undefined ? {} : { container }) },
    bytes: buffer?.since(from ?? 0) ?? Buffer.alloc(0),
    next: buffer?.total ?? 0,
  };
}

function locate(sim: Simulation, request: Of<"locate">): Reply {
  if (request.target.kind === "Node") return locateNode(sim, request);
  const pod = findPod(sim.cluster, request.target);
  const runner = sim.cluster.runner(pod.metadata.uid);
  if (runner?.sandboxPid === undefined)
    throw new Error(
      `pod ${pod.metadata.name} is ${pod.status.phase}, not running; see: nodemesh sim status`,
    );
  const location = {
    enter: { kind: "pod", pid: runner.sandboxPid },
    cgroup: runner.execCgroup,
    env: runner.environment(request.container),
  } as const;
  return { lines: [], problems: [], location };
}

function locateNode(sim: Simulation, request: Of<"locate">): Reply {
  const node = sim.cluster.nodes.find((one) => one.name === request.target.names[0]);
  if (node === undefined)
    throw new Error(
      `there is no such node; there are: ${sim.cluster.nodes.map((one) => one.name).join(", ")}`,
    );
  const paths = nodePaths(sim.sim, node.name);
  const location = {
    enter: { kind: "node", netns: paths.netns },
    // Not the node's own cgroup: what an operator types there is no pod's traffic.
    cgroup: sim.sim.cgroup,
    env: {},
  } as const;
  return { lines: [], problems: [], location };
}
