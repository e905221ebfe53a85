/** The verbs that change objects: delete, annotate, label, scale. */

import { setTimeout as sleep } from "node:timers/promises";
import { objectRef, refKey } from "../../../control/k8s/api/decode.ts";
import { nameOf, type RawObject, type Stored } from "../cluster/raw.ts";
import { SYSTEM_NAMESPACES } from "../cluster/system-objects.ts";
import type { Simulation } from "../simulation.ts";
import type { Reply, Request } from "./protocol.ts";
import { findTarget, noneFound } from "./targets.ts";

/** How often a waiting verb looks again. */
const POLL_MS = 20;
/** A pod that takes longer to go than its grace and this is stuck. */
const DELETE_SLACK_MS = 15_000;

type Of<Verb extends Request["verb"]> = Extract<Request, { verb: Verb }>;

/** Deletes what the targets mean; a Namespace with all that is in it. */
export async function deleteTargets(sim: Simulation, request: Of<"delete">): Promise<Reply> {
  const lines: string[] = [];
  const problems: string[] = [];
  const going: Stored[] = [];
  for (const target of request.targets) {
    const { objects, missing } = findTarget(sim.cluster, target);
    if (!request.ignoreNotFound) problems.push(...missing);
    for (const stored of objects) {
      const name = nameOf(objectRef(stored.object));
      const refusal = refusalOf(stored);
      if (refusal !== undefined) {
        problems.push(`${name} can't be deleted: ${refusal}`);
        continue;
      }
      lines.push(`${name} deleted`);
      for (const one of [...contentsOf(sim, stored), stored]) {
        going.push(one);
        deleteOne(sim, one, request.graceSeconds);
      }
    }
  }
  if (request.wait) await Promise.all(going.map((stored) => untilGone(sim, stored)));
  return { lines, problems };
}

function refusalOf({ object }: Stored): string | undefined {
  const { name, namespace } = object.metadata;
  if (object.kind === "Node")
    return "a simulation keeps its nodes; choose their number with up --nodes";
  if (object.kind === "Namespace" && SYSTEM_NAMESPACES.includes(name))
    return "every cluster has it";
  if (namespace === "kube-system" && name.startsWith("kube-dns")) return "cluster DNS needs it";
  return undefined;
}

/** Controllers before their pods, so that none is made again. */
function contentsOf(sim: Simulation, { object }: Stored): readonly Stored[] {
  if (object.kind !== "Namespace") return [];
  return sim.cluster.store
    .all()
    .filter((one) => one.object.metadata.namespace === object.metadata.name)
    .toSorted((a, b) => Number(a.object.kind === "Pod") - Number(b.object.kind === "Pod"));
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

/** Sets or removes annotations or labels. */
export function mark(sim: Simulation, request: Of<"mark">): Reply {
  const { objects, missing } = findTarget(sim.cluster, request.target);
  const problems = [...missing, ...noneFound(request.target, objects, missing)];
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

/** Sets the number of replicas. */
export function scale(sim: Simulation, request: Of<"scale">): Reply {
  const { kind } = request.target;
  if (!["Deployment", "ReplicaSet", "StatefulSet"].includes(kind))
    throw new Error(`a ${kind} can't be scaled; name a deploy/NAME or statefulset/NAME`);
  const { objects, missing } = findTarget(sim.cluster, request.target);
  const lines = objects.map(({ raw, object }) => {
    sim.cluster.store.put({ ...raw, spec: { ...raw.spec, replicas: request.replicas } });
    return `${nameOf(objectRef(object))} scaled`;
  });
  return { lines, problems: [...missing, ...noneFound(request.target, objects, missing)] };
}
