/** Which pods ServiceMeshes enrol, what is wrong with them, and what their status shall say. */

import { visible } from "#model/visible.ts";
import type { DeclaredProtocol, Workload } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import type { Pod } from "../k8s/api/pod.ts";
import type { EndpointSlice } from "../k8s/api/service.ts";
import type { InterceptRule, ServiceMesh } from "../k8s/api/service-mesh.ts";
import { type World, worldKey } from "../world.ts";
import { type PodFinder, podFinder } from "./selection.ts";
import type { CompiledPort } from "./services.ts";

/** Everything that ServiceMeshes say. */
export interface Meshed {
  /** Keys of the ServiceMeshes that enrol a pod, by the pod's uid. */
  readonly byPod: ReadonlyMap<string, readonly string[]>;
  /** Keys of those that have its requests traced. */
  readonly tracing: ReadonlySet<string>;
  readonly meshes: readonly CompiledMesh[];
}

/** One ServiceMesh with the pods it found. */
export interface CompiledMesh {
  readonly source: ServiceMesh;
  readonly services: readonly InterceptedService[];
  readonly conditions: readonly Condition[];
}

/** One Service that a ServiceMesh names. */
export interface InterceptedService {
  readonly name: string;
  readonly namespace: string;
  /** Uids of the live pods behind it, sorted. */
  readonly pods: readonly string[];
}

/** What the status of a ServiceMesh shall say; times are the writer's. */
export interface ServiceMeshStatus {
  readonly namespace: string;
  readonly name: string;
  readonly status: {
    readonly observedGeneration: number;
    /** Pods behind all named Services that are in the mesh. */
    readonly enrolledPods: number;
    readonly services: readonly {
      readonly name: string;
      readonly namespace: string;
      readonly pods: number;
      readonly enrolled: number;
    }[];
    readonly conditions: readonly {
      readonly type: "Accepted" | "Ready";
      readonly status: "True" | "False";
      readonly reason: string;
      readonly message: string;
      readonly observedGeneration: number;
    }[];
  };
}

/** Nothing is said. */
export const UNMESHED: Meshed = { byPod: new Map(), tracing: new Set(), meshes: [] };

/** The only thing that can be recorded today. */
const TRACERS: ReadonlySet<string> = new Set(["http"]);

/** What ServiceMeshes are compiled of. */
export interface MeshInputs {
  readonly world: Pick<World, "serviceMeshes" | "services" | "pods">;
  readonly slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  /** The TCP ports of a Service, by its key. */
  readonly portsOf: (key: string) => readonly CompiledPort[];
}

/** Reads all ServiceMeshes of a world. Lists equal to `before` are taken over by identity. */
export function compileMeshes(inputs: MeshInputs, before: Meshed): Meshed {
  const { world, slices } = inputs;
  if (world.serviceMeshes.size === 0) return UNMESHED;
  const podsBehind = podFinder(world, slices);
  const byPod = new Map<string, string[]>();
  const meshes = [...world.serviceMeshes].map(([key, mesh]) => {
    const compiled = compileMesh(mesh, inputs, podsBehind);
    for (const uid of new Set(compiled.services.flatMap(({ pods }) => pods))) {
      const known = byPod.get(uid);
      if (known === undefined) byPod.set(uid, [key]);
      else known.push(key);
    }
    return compiled;
  });
  const tracing = new Set(
    [...world.serviceMeshes].flatMap(([key, { spec }]) =>
      spec.tracers.some((tracer) => TRACERS.has(tracer)) ? [key] : [],
    ),
  );
  const same = tracing.size === before.tracing.size && tracing.isSubsetOf(before.tracing);
  return {
    byPod: sameLists(before.byPod, byPod),
    tracing: same ? before.tracing : tracing,
    meshes,
  };
}

function compileMesh(
  mesh: ServiceMesh,
  { world, portsOf }: MeshInputs,
  podsBehind: PodFinder,
): CompiledMesh {
  const conditions: Condition[] = mesh.spec.tracers.flatMap((tracer, i) =>
    TRACERS.has(tracer) ? [] : [unknownTracer(mesh, i, tracer)],
  );
  const services: InterceptedService[] = [];
  for (const [i, rule] of mesh.spec.intercept.http.entries()) {
    const namespace = rule.service.namespace ?? mesh.metadata.namespace;
    const { name } = rule.service;
    const key = worldKey({ namespace, name });
    const service = world.services.get(key);
    if (namespace !== mesh.metadata.namespace) conditions.push(foreign(mesh, i, rule));
    else if (service === undefined) conditions.push(missing(mesh, i, name));
    else {
      services.push({ name, namespace, pods: uidsOf(podsBehind(service)) });
      conditions.push(...notHttp(mesh, i, { key, ports: portsOf(key) }));
    }
  }
  return { source: mesh, services, conditions };
}

function uidsOf(pods: readonly Pod[]): readonly string[] {
  return pods.map(({ metadata }) => metadata.uid).sort();
}

/** What each status shall say, given what came of the pods. */
export function meshStatuses(
  meshes: readonly CompiledMesh[],
  workloads: ReadonlyMap<string, Workload>,
): readonly ServiceMeshStatus[] {
  return meshes.map((mesh) => statusOf(mesh, workloads));
}

function statusOf(
  { source, services, conditions }: CompiledMesh,
  workloads: ReadonlyMap<string, Workload>,
): ServiceMeshStatus {
  const { namespace, name, generation } = source.metadata;
  const isEnrolled = (uid: string): boolean => workloads.get(uid)?.enrolment !== undefined;
  const counted = services.map(({ pods, ...service }) => ({
    ...service,
    pods: pods.length,
    enrolled: pods.filter(isEnrolled).length,
  }));
  const all = new Set(services.flatMap(({ pods }) => pods));
  const enrolledPods = [...all].filter(isEnrolled).length;
  // Its pods are enrolled all the same: an Event says it.
  const problem = conditions.find(({ reason }) => reason !== "not-http");
  const refused = problem && {
    status: "False",
    reason: ACCEPT_REASON[problem.reason] ?? "Invalid",
    message: visible(`${problem.field}: ${problem.problem}; ${problem.nextStep}`),
  };
  const accepted = { status: "True", reason: "Accepted", message: "every named Service is there" };
  // kubectl's columns show Ready: what keeps it from being so is the cause, not that no pod was found.
  const ready = refused ?? readiness(all.size, enrolledPods);
  return {
    namespace,
    name,
    status: {
      observedGeneration: generation,
      enrolledPods,
      services: counted,
      conditions: [
        { type: "Accepted", observedGeneration: generation, ...(refused ?? accepted) } as const,
        { type: "Ready", observedGeneration: generation, ...ready },
      ] as ServiceMeshStatus["status"]["conditions"],
    },
  };
}

const ACCEPT_REASON: Readonly<Partial<Record<Condition["reason"], string>>> = {
  "service-not-found": "ServiceNotFound",
  "foreign-service": "ServiceInOtherNamespace",
  "unknown-tracer": "UnknownTracer",
};

function readiness(
  pods: number,
  enrolled: number,
): { status: string; reason: string; message: string } {
  const message = `${enrolled} of ${pods} pods behind the named Services are in the mesh`;
  if (pods === 0) return { status: "False", reason: "NoPods", message };
  if (enrolled === pods) return { status: "True", reason: "AllEnrolled", message };
  return { status: "False", reason: enrolled === 0 ? "NoneEnrolled" : "SomeExcluded", message };
}

function unknownTracer(mesh: ServiceMesh, index: number, tracer: string): Condition {
  return {
    ref: objectRef(mesh),
    reason: "unknown-tracer",
    field: `spec.tracers[${index}]`,
    problem: `${JSON.stringify(tracer)} is not a tracer`,
    nextStep: "use http; the other rules of this object are in force",
  };
}

/** Whoever may write in one namespace shall not decide over another's pods. */
function foreign(mesh: ServiceMesh, index: number, { service }: InterceptRule): Condition {
  return {
    ref: objectRef(mesh),
    reason: "foreign-service",
    field: `spec.intercept.http[${index}].service.namespace`,
    problem: `${service.namespace}/${service.name} is in another namespace than this ServiceMesh`,
    nextStep: `make a ServiceMesh in namespace ${service.namespace}; this rule is left out`,
  };
}

function missing(mesh: ServiceMesh, index: number, name: string): Condition {
  return {
    ref: objectRef(mesh),
    reason: "service-not-found",
    field: `spec.intercept.http[${index}].service.name`,
    problem: `there is no Service ${mesh.metadata.namespace}/${name}`,
    nextStep: "make the Service or mend the name; its pods are enrolled as soon as it is there",
  };
}

/** Where the first bytes decide there may be HTTP/1; HTTP/2 is carried as bytes until the mesh reads it. */
const MAY_BE_HTTP: ReadonlySet<DeclaredProtocol> = new Set(["detect", "http"]);

/** A Service may have hundreds: the first show what is wrong. */
const MAX_NAMED_PORTS = 5;

function notHttp(
  mesh: ServiceMesh,
  index: number,
  { key, ports }: { readonly key: string; readonly ports: readonly CompiledPort[] },
): readonly Condition[] {
  if (ports.length === 0 || ports.some(({ protocol }) => MAY_BE_HTTP.has(protocol))) return [];
  const named = ports.slice(0, MAX_NAMED_PORTS);
  const declared = named.map(({ port, protocol }) => `${port} is declared ${protocol}`).join(", ");
  const more = ports.length > named.length ? ", …" : "";
  const condition: Condition = {
    ref: objectRef(mesh),
    reason: "not-http",
    field: `spec.intercept.http[${index}].service.name`,
    problem: `no requests of Service ${key} are recorded, for none of its ports is HTTP/1: ${declared}${more}`,
    nextStep:
      "if one is, set its appProtocol to http or name it http-…; its pods are enrolled anyway",
  };
  return [condition];
}

function sameLists(
  before: ReadonlyMap<string, readonly string[]>,
  now: Map<string, readonly string[]>,
): ReadonlyMap<string, readonly string[]> {
  let same = before.size === now.size;
  for (const [uid, keys] of now) {
    const known = before.get(uid);
    if (known !== undefined && known.join() === keys.join()) now.set(uid, known);
    else same = false;
  }
  return same ? before : now;
}
