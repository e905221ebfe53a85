/** The verbs that change or read objects, on a running simulation. */

import { setTimeout as sleep } from "node:timers/promises";
import { objectRef, refKey } from "../../../control/k8s/api/decode.ts";
import { nameOf, type RawObject, type Stored } from "../cluster/raw.ts";
import { nodePaths } from "../paths.ts";
import type { Simulation } from "../simulation.ts";
import { applyObjects } from "./apply.ts";
import type { Reply, Request } from "./protocol.ts";
import { reportStatus } from "./status.ts";
import { findPod, findTarget } from "./targets.ts";

/** How often a waiting verb looks again. */
const POLL_MS = 20;
/** A pod that takes longer to go than its grace and this is stuck. */
const DELETE_SLACK_MS = 15_000;

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
    case "revive":
      return revive(sim, request);
    case "logs":
      return logs(sim, request);
    case "get":
      return get(sim, request);
    case "locate":
      return locate(sim, request);
    case "wait":
      await sim.untilReady(request.timeoutMs, () => undefined);
      return { lines: ["everything is ready"], problems: [] };
  }
}

async function deleteTargets(sim: Simulation, request: Of<"delete">): Promise<Reply> {
  const lines: string[] = [];
  const problems: string[] = [];
  const going: Stored[] = [];
  for (const target of request.targets) {
    const { objects, missing } = findTarget(sim.cluster, target);
    if (!request.ignoreNotFound) problems.push(...missing);
    for (const stored of objects) {
      lines.push(`${nameOf(objectRef(stored.object))} deleted`);
      going.push(stored);
      deleteOne(sim, stored, request.graceSeconds);
    }
  }
  if (request.wait) await Promise.all(going.map((stored) => untilGone(sim, stored)));
  return { lines, problems };
}

function deleteOne(sim: Simulation, { object }: Stored, graceSeconds: number | undefined): void {
  if (object.kind === "Pod") sim.cluster.deletePod(object, graceSeconds);
  else sim.cluster.store.remove(objectRef(object));
}

async function untilGone(sim: Simulation, stored: Stored): Promise<void> {
  const { uid } = stored.object.metadata;
  const grace = stored.object.kind === "Pod" ? stored.object.spec.terminationGracePeriodSeconds : 0;
  const deadline = Date.now() + grace * 1_000 + DELETE_SLACK_MS;
  while (sim.cluster.store.get(objectRef(stored.object))?.object.metadata.uid === uid) {
    if (Date.now() > deadline)
      throw new Error(`${refKey(objectRef(stored.object))} does not end; see: nodemesh sim status`);
    await sleep(POLL_MS);
  }
}

function mark(sim: Simulation, request: Of<"mark">): Reply {
  const { objects, missing } = findTarget(sim.cluster, request.target);
  const problems = [...missing];
  if (objects.length === 0 && missing.length === 0) problems.push("no resources found");
  const lines: string[] = [];
  for (const { raw, object } of objects) {
    const name = nameOf(objectRef(object));
    const conflict = request.overwrite ? undefined : firstConflict(raw, request);
    if (conflict !== undefined) {
      problems.push(`${name}: ${conflict} is set already; add --overwrite`);
      continue;
    }
    sim.cluster.store.put(marked(raw, request));
    lines.push(`${name} ${request.field === "labels" ? "labeled" : "annotated"}`);
  }
  return { lines, problems, warnings: controllerHint(request) };
}

/** kubectl would obey in silence, and nothing would happen: the commonest first mistake with any mesh. */
function controllerHint(request: Of<"mark">): readonly string[] {
  const { kind, names } = request.target;
  const mesh = Object.keys(request.changes).some((key) => key.startsWith("mesh/"));
  if (!mesh || ["Pod", "Namespace", "Service"].includes(kind)) return [];
  return [
    `mesh annotations on a ${kind} itself have no effect on its pods: annotate the pods (nodemesh sim annotate pod -l app=${names[0] ?? "NAME"} mesh/enabled=true) or spec.template in the manifest`,
  ];
}

function firstConflict(raw: RawObject, request: Of<"mark">): string | undefined {
  const current = raw.metadata[request.field] ?? {};
  return Object.entries(request.changes).find(
    ([key, value]) => value !== null && current[key] !== undefined && current[key] !== value,
  )?.[0];
}

function marked(raw: RawObject, request: Of<"mark">): RawObject {
  const merged = { ...raw.metadata[request.field], ...request.changes };
  const kept = Object.entries(merged).filter(([, value]) => value !== null);
  return { ...raw, metadata: { ...raw.metadata, [request.field]: Object.fromEntries(kept) } };
}

function scale(sim: Simulation, request: Of<"scale">): Reply {
  const { objects, missing } = findTarget(sim.cluster, request.target);
  const lines = objects.map(({ raw, object }) => {
    if (!["Deployment", "ReplicaSet", "StatefulSet"].includes(object.kind))
      throw new Error(`a ${object.kind} can't be scaled; name a deploy/NAME or statefulset/NAME`);
    sim.cluster.store.put({ ...raw, spec: { ...raw.spec, replicas: request.replicas } });
    return `${nameOf(objectRef(object))} scaled`;
  });
  return { lines, problems: missing };
}

async function kill(sim: Simulation, request: Of<"kill">): Promise<Reply> {
  if (request.name.startsWith("pod/")) return killPod(sim, request);
  const daemon = daemonOf(sim, request.name);
  await daemon.kill(request.stayDead);
  const next = request.stayDead
    ? `stays dead until: nodemesh sim revive ${request.name}`
    : "comes back by itself";
  return { lines: [`${request.name} killed (${next})`], problems: [] };
}

/** SIGKILL without warning, as a crash: no endpoint is withdrawn first. */
async function killPod(sim: Simulation, request: Of<"kill">): Promise<Reply> {
  const name = request.name.slice("pod/".length);
  const pod = findPod(sim.cluster, {
    kind: "Pod",
    namespace: request.namespace,
    names: [name],
    selector: {},
    all: false,
  });
  sim.cluster.runner(pod.metadata.uid)?.crash();
  return {
    lines: [`pod/${name} killed (its containers start again by its restart policy)`],
    problems: [],
  };
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

function logs(sim: Simulation, request: Of<"logs">): Reply {
  const pod = findPod(sim.cluster, request.target);
  const text = sim.cluster.runner(pod.metadata.uid)?.log(request.container) ?? "";
  return { lines: text === "" ? [] : text.replace(/\n$/, "").split("\n"), problems: [] };
}

function get(sim: Simulation, request: Of<"get">): Reply {
  const { objects, missing } = findTarget(sim.cluster, request.target);
  return { lines: [], problems: missing, objects: objects.map(({ raw }) => raw) };
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
