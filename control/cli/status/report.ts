/**
 * What `nodemesh status` tells, from the objects of the API and the pages of the mesh's processes. Pure. Words
 * and columns are those of `nodemesh sim status`. Who is enrolled is not decided here but by control's compiler.
 */

import { compile } from "../../compile/compile.ts";
import type { Decoded } from "../../k8s/api/decode.ts";
import { objectRef } from "../../k8s/api/decode.ts";
import type { Pod } from "../../k8s/api/pod.ts";
import { applyChanges, EMPTY_WORLD } from "../../world.ts";
import { type AgentPage, type ControlPage, type MeshPod, type Page, tagOf } from "../mesh-facts.ts";
import { installStep } from "../next-steps.ts";

/** What was gathered. */
export interface StatusFacts {
  /** Namespaces, pods, Services, EndpointSlices and ServiceMeshes of the whole cluster. */
  readonly objects: readonly Decoded[];
  /** Uids of pods that are Ready: nothing that decides who is enrolled, so `objects` don't say it. */
  readonly readyPods: ReadonlySet<string>;
  readonly nodes: readonly string[];
  readonly control: readonly { readonly pod: MeshPod; readonly page: Page<ControlPage> }[];
  readonly agents: readonly { readonly pod: MeshPod; readonly page: Page<AgentPage> }[];
  /** Uids of the pods that the selector chooses; undefined: no selector. */
  readonly selected: ReadonlySet<string> | undefined;
  /** False: the user may not list the mesh's own pods, so nothing follows from there being none. */
  readonly meshSeen: boolean;
  readonly unseen: readonly Unseen[];
}

/** Something that the user may not look at. */
export interface Unseen {
  readonly what: string;
  /** What the report therefore can't tell. */
  readonly effect: string;
}

/** One agent, by node. */
export interface AgentReport {
  readonly node: string;
  readonly pod: string | undefined;
  readonly ready: boolean;
  readonly version: string | undefined;
  readonly snapshotVersion: number | undefined;
  /** Pod of the replica of control whose count that is: versions of two replicas do not compare. */
  readonly snapshotOf: string | undefined;
  readonly snapshotAgeSeconds: number | undefined;
  /** Why it is not ready or tells nothing; empty when all is well. */
  readonly problem: string;
}

/** One pod that is or could be in the mesh. */
export interface PodReport {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  readonly phase: string;
  readonly ready: boolean;
  readonly addresses: readonly string[];
  readonly enrolled: boolean;
  /** By its agent's own word; `unknown`: the agent does not answer. */
  readonly path: "proxy" | "direct" | "unknown";
  /** Why it is not enrolled, or enrolled but not caught, or not all of it; empty when all is. */
  readonly why: string;
}

/** The whole report; also the shape of `-o json`. */
export interface StatusReport {
  readonly control: readonly {
    readonly pod: string;
    readonly ready: boolean;
    readonly leader: boolean | undefined;
    readonly snapshotVersion: number | undefined;
    readonly problem: string;
  }[];
  readonly agents: readonly AgentReport[];
  readonly pods: readonly PodReport[];
  readonly unseen: readonly Unseen[];
  readonly summary: Summary;
}

/** Numbers of a report: of its pods, and of what it tells of the mesh. */
export interface Summary {
  readonly pods: number;
  readonly enrolled: number;
  /** Enrolled ones whose traffic goes through the proxy, by their agents' word. */
  readonly proxied: number;
  readonly control: Ready;
  readonly agents: Ready;
}

/** So many are ready, of so many that there shall be. */
interface Ready {
  readonly ready: number;
  readonly all: number;
}

/** What was asked for. */
export interface StatusQuestion {
  /** Whose pods; undefined: of all namespaces. */
  readonly namespace: string | undefined;
  /** Where the mesh shall be. */
  readonly meshNamespace: string;
  /** Labels of pods, as kubectl takes them; undefined: whatever their labels. */
  readonly selector: string | undefined;
  /** Pods by name; none: all. */
  readonly names: readonly string[];
}

/** Why there is nothing to report, with the next step; undefined: there is. Empty tables would look like an answer. */
export function statusProblem(facts: StatusFacts, question: StatusQuestion): string | undefined {
  const { namespace, meshNamespace, names } = question;
  if (facts.meshSeen && facts.control.length + facts.agents.length === 0)
    return (
      `no pod of nodemesh is in namespace ${meshNamespace}: name another --mesh-namespace, or install it: ` +
      `${installStep(meshNamespace)}; nodemesh check -n ${meshNamespace} says more`
    );
  if (namespace === undefined) return undefined;
  const objects = facts.objects.flatMap((one) => (one.kind === "object" ? [one.object] : []));
  const namespaces = objects.filter(({ kind }) => kind === "Namespace");
  const hidden = facts.unseen.some(({ what }) => what === `namespace/${namespace}`);
  if (!hidden && !namespaces.some(({ metadata }) => metadata.name === namespace))
    return `there is no namespace ${namespace}: name another -n, or -A for all; kubectl get namespaces lists them`;
  const there = objects.filter(
    (object) => object.kind === "Pod" && object.metadata.namespace === namespace,
  );
  const lacking = names.filter((name) => !there.some(({ metadata }) => metadata.name === name));
  if (lacking.length === 0) return undefined;
  return `there is no pod ${lacking.join(", ")} in namespace ${namespace}: name another, or another -n; kubectl get pods -n ${namespace} lists them`;
}

/** Makes the report. */
export function statusReport(
  facts: StatusFacts,
  { namespace, names }: Pick<StatusQuestion, "namespace" | "names">,
): StatusReport {
  const objects = facts.objects.flatMap((one) => (one.kind === "object" ? [one.object] : []));
  const world = applyChanges(
    EMPTY_WORLD,
    objects.map((object) => ({ kind: "apply", object })),
  );
  const compilation = compile(world);
  const enrolled = new Set(
    [...compilation.workloads.values()]
      .filter(({ enrolment }) => enrolment !== undefined)
      .map(({ uid }) => uid),
  );
  const problems = new Map<string, string>();
  for (const { ref, problem } of compilation.conditions)
    if (ref.kind === "Pod") problems.set(`${ref.namespace}/${ref.name}`, problem);
  const pages = new Map(facts.agents.map(({ pod, page }) => [pod.node, page]));
  const pods = objects
    .filter((object) => object.kind === "Pod")
    .filter(({ metadata }) => namespace === undefined || metadata.namespace === namespace)
    .filter(({ metadata }) => names.length === 0 || names.includes(metadata.name))
    .filter(({ metadata }) => facts.selected?.has(metadata.uid) ?? true)
    .map((pod) => {
      const ref = objectRef(pod);
      return podReport(pod, {
        enrolled: enrolled.has(pod.metadata.uid),
        ready: facts.readyPods.has(pod.metadata.uid),
        meshSeen: facts.meshSeen,
        page: pages.get(pod.spec.nodeName),
        problem: problems.get(`${ref.namespace}/${ref.name}`),
      });
    });
  const control = facts.control.map(({ pod, page }) => ({
    pod: pod.name,
    ready: pod.ready,
    leader: page.kind === "page" ? page.value.leader : undefined,
    snapshotVersion: page.kind === "page" ? page.value.snapshot.version : undefined,
    problem: page.kind === "page" ? "" : pod.trouble || page.problem,
  }));
  const agents = facts.meshSeen ? facts.nodes.map((node) => agentReport(node, facts)) : [];
  return {
    control,
    agents,
    pods,
    unseen: facts.unseen,
    summary: {
      pods: pods.length,
      enrolled: pods.filter((pod) => pod.enrolled).length,
      proxied: pods.filter(({ path }) => path === "proxy").length,
      control: readyOf(control),
      agents: readyOf(agents),
    },
  };
}

function readyOf(all: readonly { readonly ready: boolean }[]): Ready {
  return { ready: all.filter(({ ready }) => ready).length, all: all.length };
}

function agentReport(node: string, { agents, control }: StatusFacts): AgentReport {
  const agent = agents.find(({ pod }) => pod.node === node && !pod.terminating);
  const page = agent?.page.kind === "page" ? agent.page.value : undefined;
  return {
    node,
    pod: agent?.pod.name,
    ready: agent?.pod.ready ?? false,
    version: agent?.pod.images.map(tagOf)[0],
    snapshotVersion: page?.snapshot.version,
    snapshotOf: control.find(
      (one) => one.page.kind === "page" && one.page.value.snapshot.epoch === page?.snapshot.epoch,
    )?.pod.name,
    snapshotAgeSeconds: page?.snapshot.ageSeconds,
    problem:
      agent === undefined
        ? "no agent"
        : agent.page.kind === "none"
          ? agent.pod.trouble || agent.page.problem
          : "",
  };
}

interface Circumstances {
  readonly enrolled: boolean;
  readonly ready: boolean;
  readonly meshSeen: boolean;
  readonly page: Page<AgentPage> | undefined;
  readonly problem: string | undefined;
}

function podReport(pod: Pod, circumstances: Circumstances): PodReport {
  const { name, namespace, uid } = pod.metadata;
  return {
    namespace,
    name,
    uid,
    node: pod.spec.nodeName,
    phase: pod.metadata.deletionTimestamp === undefined ? pod.status.phase : "Terminating",
    ready: circumstances.ready,
    addresses: pod.status.podIPs.map(({ ip }) => ip),
    enrolled: circumstances.enrolled,
    ...pathOf(pod, circumstances),
  };
}

function pathOf(
  pod: Pod,
  { enrolled, meshSeen, page, problem }: Circumstances,
): Pick<PodReport, "path" | "why"> {
  if (!enrolled) return { path: "direct", why: whyNot(pod, problem) };
  if (!meshSeen) return { path: "unknown", why: "you may not ask its node's agent" };
  if (page === undefined) return { path: "unknown", why: "no agent on its node" };
  if (page.kind === "none") return { path: "unknown", why: "its node's agent does not answer" };
  // A static pod goes by its manifest's hash on the node.
  const uids = [pod.metadata.uid, pod.metadata.annotations["kubernetes.io/config.hash"]];
  const seen = page.value.pods.find(({ uid }) => uids.includes(uid));
  if (seen === undefined)
    return { path: "direct", why: "its node's agent has not heard of it yet" };
  if (seen.state === "caught") return { path: "proxy", why: seen.detail };
  return { path: "direct", why: seen.detail || seen.state };
}

function whyNot(pod: Pod, problem: string | undefined): string {
  if (pod.status.phase === "Succeeded" || pod.status.phase === "Failed") return "has finished";
  if (problem !== undefined) return problem;
  const key = "mesh/enabled";
  const said = pod.metadata.annotations[key] ?? pod.metadata.labels[key];
  if (said === "false") return "its own mesh/enabled says false";
  if (said === "true") return pod.spec.nodeName === "" ? "has no node yet" : "has no address yet";
  if (pod.spec.hostNetwork) return "is on its node's network";
  return "nobody asked: no mesh/enabled=true on it or its namespace, no ServiceMesh";
}

/** What of a report is worth to be shown again when it has changed: not the ages, which always do. */
export function steadyPart({ agents, ...rest }: StatusReport): string {
  const steady = agents.map(({ snapshotAgeSeconds: _, ...agent }) => agent);
  return JSON.stringify({ ...rest, agents: steady });
}
