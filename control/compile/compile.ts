/**
 * From the world to what agents need: pure, whole, and never throwing on a user's object (what is wrong
 * becomes a condition, the rest compiles). May import control/world.ts, control/k8s/api and agent/model;
 * must never do I/O, read a clock or keep state between calls but what the caller hands back in.
 *
 * This file: the stages and what each is made of. Given the previous compilation, results of untouched objects are taken
 * over by identity (stages.ts), so that a small change costs a few milliseconds in a world of thousands and the publisher
 * sees what changed by `!==`.
 */

import { readEnrolmentWords } from "#model/annotations.ts";
import type { Service } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { Namespace } from "../k8s/api/cluster.ts";
import type { Condition } from "../k8s/api/condition.ts";
import type { Pod } from "../k8s/api/pod.ts";
import type { EndpointSlice, Service as KubeService } from "../k8s/api/service.ts";
import { type World, worldKey } from "../world.ts";
import { resolveAddressConflicts, UNCONTESTED } from "./conflicts.ts";
import { type MergedPorts, mergeDeclaredPorts } from "./declared-ports.ts";
import { heedOpaqueWords, NO_OPAQUE_WORDS, opaqueWords } from "./opaque-words.ts";
import type { PodPort } from "./protocol.ts";
import { podFinder } from "./selection.ts";
import { compileMeshes, type Meshed, UNMESHED } from "./service-meshes.ts";
import {
  type CompiledService,
  compileService,
  podKey,
  type SlicesByService,
  servicesSlices,
} from "./services.ts";
import { type Memo, NO_MEMO, outputs, type Results, Stages, unlessSame } from "./stages.ts";
import {
  bytesOf,
  overflowOf,
  type Tellable,
  type Told,
  tellablePod,
  tellableService,
} from "./tellable.ts";
import { unknownPorts } from "./unknown-ports.ts";
import { type CompiledPod, compilePod, type NamespaceWords, wordConditions } from "./workloads.ts";

/** What the world means: the parts of a snapshot, and what must be said about the objects. */
export interface Compilation {
  /** By uid. */
  readonly workloads: ReadonlyMap<string, Workload>;
  /** By `namespace/name`. */
  readonly services: ReadonlyMap<string, Service>;
  readonly conditions: readonly Condition[];
  /** Each Service as it was compiled, headless or not, by `namespace/name`. */
  readonly compiledServices: Results<CompiledService>;
  readonly meshed: Meshed;
  /** For the next call. */
  readonly memo: Memo;
}

/** The compilation of the empty world. */
export const EMPTY_COMPILATION: Compilation = {
  workloads: new Map(),
  services: new Map(),
  conditions: [],
  compiledServices: new Map(),
  meshed: UNMESHED,
  memo: NO_MEMO,
};

const NO_WORDS: NamespaceWords = { words: {}, conditions: [] };
const NO_PORTS: readonly PodPort[] = [];
const NO_SLICES: readonly EndpointSlice[] = [];
const NO_MESHES: readonly string[] = [];

/** Compiles a world. The result depends on the world alone; `previous` only saves work. */
export function compile(world: World, previous: Compilation = EMPTY_COMPILATION): Compilation {
  const stages = new Stages(previous.memo);
  const namespaces = stages.each("namespaces", {
    ...{ objects: world.namespaces, around: [] },
    inputsOf: (namespace: Namespace) => [namespace] as const,
    make: ([namespace]) => readNamespace(namespace),
  });
  const slices = stages.once("slices", [world.endpointSlices], ([all], before?: SlicesByService) =>
    servicesSlices(all.values(), before),
  );
  const services = stages.each("services", {
    ...{ objects: world.services, around: [slices] },
    inputsOf: (service: KubeService, key) => [service, slices.get(key) ?? NO_SLICES] as const,
    make: ([service, own]) => tellableService(compileService(service, own)),
  });
  const declared = declaredPorts(stages, services);
  const meshed = stages.once(
    "meshes",
    [world.serviceMeshes, world.services, world.pods, slices, services],
    ([serviceMeshes, services, pods, slices, compiled], before?: Meshed) =>
      compileMeshes(
        {
          world: { serviceMeshes, services, pods },
          slices,
          portsOf: (key) => compiled.get(key)?.output.ports ?? [],
        },
        before ?? UNMESHED,
      ),
  );
  const pods = compilePods(stages, world.pods, { namespaces, ports: declared.ports, meshed });
  const told = tellTogether(stages, pods, services);
  const unknown = stages.once(
    "unknown ports",
    [told.services, world.pods, slices],
    ([services, pods, slices]) => unknownPorts(services, () => podFinder({ pods }, slices)),
  );
  const conditions = stages.once(
    "conditions",
    [namespaces, declared.portConditions, unknown, meshed.meshes, told.conditions],
    ([namespaces, ports, unknown, meshes, told]) =>
      [
        ...outputs(namespaces).flatMap((words) => words.conditions),
        ...meshes.flatMap((mesh) => mesh.conditions),
        ...ports,
        ...unknown,
        ...told,
      ].sort(byPlace),
  );
  const { memo } = stages;
  return { ...told.parts, conditions, compiledServices: services, meshed, memo };
}

/** The ports that Services declare for each pod; as before when no Service declares otherwise. */
function declaredPorts(stages: Stages, services: Results<CompiledService>): MergedPorts {
  const declaring = stages.once(
    "declaring",
    [services],
    ([services], before?: readonly CompiledService[]) =>
      unlessSame(before, outputs(services), ({ declared }) => declared),
  );
  return stages.once("declared ports", [declaring], ([services], before?: MergedPorts) =>
    mergeDeclaredPorts(services, before?.ports ?? new Map()),
  );
}

/** What is around the pods. */
interface PodsContext {
  readonly namespaces: Results<NamespaceWords>;
  readonly ports: MergedPorts["ports"];
  readonly meshed: Meshed;
}

function compilePods(
  stages: Stages,
  objects: World["pods"],
  { namespaces, ports, meshed: { byPod, tracing } }: PodsContext,
): Results<Tellable<CompiledPod>> {
  return stages.each("pods", {
    ...{ objects, around: [namespaces, ports, byPod, tracing] },
    inputsOf: (pod: Pod) => {
      const { namespace, uid } = pod.metadata;
      return [
        pod,
        namespaces.get(namespace)?.output ?? NO_WORDS,
        ports.get(podKey(namespace, uid)) ?? NO_PORTS,
        byPod.get(uid) ?? NO_MESHES,
        byPod.get(uid)?.some((key) => tracing.has(key)) === true,
      ] as const;
    },
    make: ([pod, { words }, declared, meshes, traced]) =>
      tellablePod(compilePod(pod, { namespace: words, declared, meshes, traced })),
  });
}

/** What comes of pods and Services when all are seen together. */
interface ToldTogether {
  readonly parts: Pick<Compilation, "workloads" | "services">;
  readonly services: readonly CompiledService[];
  readonly conditions: readonly Condition[];
}

function tellTogether(
  stages: Stages,
  podResults: Results<Tellable<CompiledPod>>,
  serviceResults: Results<Tellable<CompiledService>>,
): ToldTogether {
  const pods = stages.once("pod group", [podResults], ([results]) => groupOf(results));
  const words = stages.once("opaque words", [pods], ([pods], before?: typeof NO_OPAQUE_WORDS) =>
    opaqueWords(pods.outputs, before ?? NO_OPAQUE_WORDS),
  );
  const heeded = stages.each("heeded services", {
    ...{ objects: serviceResults, around: [words] },
    inputsOf: ({ output }) => [output, words] as const,
    make: ([service, words]) => heedOpaqueWords(service, words),
  });
  const services = stages.once("service group", [heeded], ([results]) => groupOf(results));
  const overflow = stages.once("overflow", [pods, services], (groups) => overflowOf(groups));
  const workloads = stages.once(
    "workloads",
    [pods.outputs, overflow],
    ([all, { leftOut }], before?: ReturnType<typeof resolveAddressConflicts<Workload>>) =>
      resolveAddressConflicts(without(all, leftOut), before ?? UNCONTESTED),
  );
  const virtual = stages.once(
    "virtual services",
    [services.outputs, overflow],
    ([all, { leftOut }], before?: ReturnType<typeof resolveAddressConflicts<Service>>) =>
      resolveAddressConflicts(without(all, leftOut), before ?? UNCONTESTED),
  );
  const conditions = stages.once(
    "conditions of what is told",
    [services, pods, overflow, virtual, workloads],
    (all) => all.flatMap(({ conditions }) => conditions),
  );
  return {
    parts: { workloads: workloads.byKey, services: virtual.byKey },
    services: services.outputs,
    conditions,
  };
}

/** The results of one kind, and what all of them say together. */
interface Group<C> {
  readonly outputs: readonly C[];
  readonly bytes: number;
  readonly conditions: readonly Condition[];
}

function groupOf<C extends Told & { readonly conditions: readonly Condition[] }>(
  results: Results<C>,
): Group<C> {
  const all = outputs(results);
  const conditions: Condition[] = [];
  // Nearly all have none: flatMap() would take most of the time of a change.
  for (const one of all) if (one.conditions.length > 0) conditions.push(...one.conditions);
  return { outputs: all, bytes: bytesOf(all), conditions };
}

function without<C extends Told>(all: readonly C[], leftOut: ReadonlySet<Told>): readonly C[] {
  return leftOut.size === 0 ? all : all.filter((one) => !leftOut.has(one));
}

function readNamespace(namespace: Namespace): NamespaceWords {
  const { value, problems } = readEnrolmentWords(namespace.metadata);
  return { words: value, conditions: wordConditions(namespace, problems) };
}

function byPlace(a: Condition, b: Condition): number {
  const left = `${a.ref.kind}/${worldKey(a.ref)} ${a.field} ${a.reason} ${a.problem}`;
  const right = `${b.ref.kind}/${worldKey(b.ref)} ${b.field} ${b.reason} ${b.problem}`;
  return left < right ? -1 : Number(left > right);
}
