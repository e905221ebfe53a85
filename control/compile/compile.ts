/**
 * From the world to what agents need: pure, whole, and never throwing on a user's object (what is wrong
 * becomes a condition, the rest compiles). May import control/world.ts, control/k8s/api and agent/model;
 * must never do I/O, read a clock or keep state between calls but what the caller hands back in.
 *
 * Given the previous compilation, results of untouched objects are taken over by identity, so that a small
 * change costs a few milliseconds in a world of thousands and the publisher sees what changed by `!==`.
 */

import { isDeepStrictEqual } from "node:util";
import { readEnrolmentWords } from "#model/annotations.ts";
import type { Service } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { Namespace } from "../k8s/api/cluster.ts";
import type { Condition } from "../k8s/api/condition.ts";
import type { Pod } from "../k8s/api/pod.ts";
import type { EndpointSlice, Service as KubeService } from "../k8s/api/service.ts";
import { EMPTY_WORLD, type World, worldKey } from "../world.ts";
import { type Claimant, type Resolved, resolveAddressConflicts, UNCONTESTED } from "./conflicts.ts";
import { mergeDeclaredPorts } from "./declared-ports.ts";
import { type Heeded, heedOpaqueWords, NOTHING_HEEDED, opaqueWords } from "./opaque-words.ts";
import { patched } from "./patched.ts";
import type { PodPort } from "./protocol.ts";
import { podFinder } from "./selection.ts";
import { compileMeshes, type Meshed, UNMESHED } from "./service-meshes.ts";
import { type CompiledService, compileService, podKey, servicesSlices } from "./services.ts";
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
  /** Intermediate results, for the next call. */
  readonly memo: Memo;
}

/** Results by key, each beside the inputs it was made of. */
interface Memo {
  readonly world: World;
  readonly namespaces: ReadonlyMap<string, Entry<Namespace, NamespaceWords>>;
  readonly services: ReadonlyMap<string, Entry<ServiceInput, Tellable<CompiledService>>>;
  readonly ports: ReadonlyMap<string, readonly PodPort[]>;
  readonly portConditions: readonly Condition[];
  readonly meshed: Meshed;
  readonly pods: ReadonlyMap<string, Entry<PodInput, Tellable<CompiledPod>>>;
  readonly group: { readonly pods: Group<CompiledPod>; readonly services: Group<CompiledService> };
  /** The Services as they are told. */
  readonly heeded: Heeded<Tellable<CompiledService>>;
  readonly workloads: Resolved<Workload>;
  /** Services with virtual addresses. */
  readonly virtual: Resolved<Service>;
}

interface Entry<I, O> {
  readonly input: I;
  readonly output: O;
}

/** The results of one kind, and what all of them say together. */
interface Group<C> {
  readonly entries: ReadonlyMap<string, Entry<unknown, Tellable<C>>>;
  readonly outputs: readonly Tellable<C>[];
  readonly bytes: number;
  readonly conditions: readonly Condition[];
}

interface ServiceInput {
  readonly service: KubeService;
  readonly slices: readonly EndpointSlice[];
}

interface PodInput {
  readonly pod: Pod;
  readonly namespace: NamespaceWords;
  readonly ports: readonly PodPort[];
  readonly meshes: readonly string[];
}

const NO_GROUP: Group<never> = { entries: new Map(), outputs: [], bytes: 0, conditions: [] };

/** The compilation of the empty world. */
export const EMPTY_COMPILATION: Compilation = {
  workloads: new Map(),
  services: new Map(),
  conditions: [],
  memo: {
    world: EMPTY_WORLD,
    namespaces: new Map(),
    services: new Map(),
    ports: new Map(),
    portConditions: [],
    meshed: UNMESHED,
    pods: new Map(),
    group: { pods: NO_GROUP, services: NO_GROUP },
    heeded: NOTHING_HEEDED,
    workloads: UNCONTESTED,
    virtual: UNCONTESTED,
  },
};

const NO_WORDS: NamespaceWords = { words: {}, conditions: [] };
const NO_PORTS: readonly PodPort[] = [];
const NO_SLICES: readonly EndpointSlice[] = [];
const NO_MESHES: readonly string[] = [];

/** Compiles a world. The result depends on the world alone; `previous` only saves work. */
export function compile(world: World, previous: Compilation = EMPTY_COMPILATION): Compilation {
  const old = previous.memo;
  const namespaces = remake({
    objects: world.namespaces,
    old: old.namespaces,
    fits: Object.is,
    inputOf: (namespace: Namespace) => namespace,
    make: readNamespace,
  });
  const slices = servicesSlices(world.endpointSlices.values());
  const services = remake({
    objects: world.services,
    old: old.services,
    fits: (input, service, key) =>
      input.service === service && sameItems(input.slices, slices.get(key) ?? NO_SLICES),
    inputOf: (service: KubeService, key): ServiceInput => ({
      service,
      slices: slices.get(key) ?? NO_SLICES,
    }),
    make: (input: ServiceInput) => tellableService(compileService(input.service, input.slices)),
  });
  const { ports, portConditions } = declaredPorts(services, old);
  const meshed = compileMeshes(
    { world, slices, portsOf: (key) => services.get(key)?.output.ports ?? [] },
    old.meshed,
  );
  const wordsOf = ({ metadata }: Pod): NamespaceWords =>
    namespaces.get(metadata.namespace)?.output ?? NO_WORDS;
  const portsOf = ({ metadata }: Pod): readonly PodPort[] =>
    ports.get(podKey(metadata.namespace, metadata.uid)) ?? NO_PORTS;
  const meshesOf = ({ metadata }: Pod): readonly string[] =>
    meshed.byPod.get(metadata.uid) ?? NO_MESHES;
  // Mostly nothing around the pods has changed: then looking at the pods alone will do.
  const settled =
    namespaces === old.namespaces && ports === old.ports && meshed.byPod === old.meshed.byPod;
  const remakePods = (): Memo["pods"] =>
    remake({
      objects: world.pods,
      old: old.pods,
      fits: (input, pod) =>
        input.pod === pod &&
        (settled ||
          (input.namespace === wordsOf(pod) &&
            input.ports === portsOf(pod) &&
            input.meshes === meshesOf(pod))),
      inputOf: (pod: Pod): PodInput => ({
        pod,
        namespace: wordsOf(pod),
        ports: portsOf(pod),
        meshes: meshesOf(pod),
      }),
      make: compileWorkload,
    });
  const pods = settled && world.pods === old.world.pods ? old.pods : remakePods();
  const group = {
    pods: groupOf(pods, old.group.pods),
    services: groupOf(services, old.group.services),
  };
  const unknown = unknownPorts(group.services.outputs, () => podFinder(world, slices));
  const heeded = heed(group, old);
  const partial = {
    ...{ world, namespaces, services, ports, portConditions, meshed, pods, group, heeded },
  };
  return assemble(partial, unknown, previous);
}

/** Resolves what only shows when all are seen together, and lays out the result. */
function assemble(
  partial: Omit<Memo, "workloads" | "virtual">,
  unknown: readonly Condition[],
  previous: Compilation,
): Compilation {
  const before = previous.memo;
  const { pods } = partial.group;
  const services = { ...partial.group.services, outputs: partial.heeded.outputs };
  const overflow = overflowOf([pods, services]);
  const toldOf = <C extends Told>({ outputs: all }: { readonly outputs: readonly C[] }) =>
    without(all, overflow.leftOut);
  const workloads = resolveAddressConflicts(toldOf(pods), before.workloads);
  const virtual = resolveAddressConflicts(toldOf(services), before.virtual);
  const memo: Memo = { ...partial, workloads, virtual };
  const conditions = [
    ...[...memo.namespaces.values()].flatMap(({ output }) => output.conditions),
    ...services.conditions,
    ...memo.portConditions,
    ...unknown,
    ...memo.meshed.meshes.flatMap((mesh) => mesh.conditions),
    ...pods.conditions,
    ...overflow.conditions,
    ...virtual.conditions,
    ...workloads.conditions,
  ];
  return {
    workloads: workloads.byKey,
    services: virtual.byKey,
    conditions: conditions.sort(byPlace),
    memo,
  };
}

/** The Services by what the pods behind them say; as before when neither has changed. */
function heed({ pods, services }: Memo["group"], old: Memo): Memo["heeded"] {
  const { heeded, group } = old;
  const words = pods === group.pods ? heeded.words : opaqueWords(pods.outputs, heeded.words);
  if (services === group.services && words === heeded.words) return heeded;
  return heedOpaqueWords(services.outputs, words, heeded);
}

/** The group of these entries; the old one where they are the same map. */
function groupOf<C extends Claimant<unknown> & { readonly conditions: readonly Condition[] }>(
  entries: Group<C>["entries"],
  before: Group<C>,
): Group<C> {
  if (entries === before.entries) return before;
  const all = outputs(entries);
  return {
    entries,
    outputs: all,
    bytes: bytesOf(all),
    conditions: all.flatMap(({ conditions }) => conditions),
  };
}

function without<C extends Told>(all: readonly C[], leftOut: ReadonlySet<Told>): readonly C[] {
  return leftOut.size === 0 ? all : all.filter((one) => !leftOut.has(one));
}

function outputs<I, O>(entries: ReadonlyMap<string, Entry<I, O>>): readonly O[] {
  return Array.from(entries.values(), (entry) => entry.output);
}

/** How one kind of result is made of one kind of object. */
interface Recipe<T, I, O extends object> {
  readonly objects: ReadonlyMap<string, T>;
  readonly old: ReadonlyMap<string, Entry<I, O>>;
  /** Whether the result of these inputs is still right. */
  readonly fits: (input: I, object: T, key: string) => boolean;
  readonly inputOf: (object: T, key: string) => I;
  readonly make: (input: I) => O;
}

/** One result for each object; the old one where it fits, and the old map when all do. */
function remake<T, I, O extends object>(recipe: Recipe<T, I, O>): ReadonlyMap<string, Entry<I, O>> {
  const { objects, old } = recipe;
  const fresh: [string, Entry<I, O>][] = [];
  for (const [key, object] of objects) {
    const before = old.get(key);
    if (before !== undefined && recipe.fits(before.input, object, key)) continue;
    const input = recipe.inputOf(object, key);
    const output = recipe.make(input);
    fresh.push([
      key,
      { input, output: before === undefined ? output : reuse(before.output, output) },
    ]);
  }
  return patched(old, fresh, objects);
}

/** The new output with each field that says the same as before taken over by identity. */
function reuse<O extends object>(before: O, now: O): O {
  const fields = Object.entries(now).map(([name, value]: [string, unknown]) => {
    const known: unknown = Reflect.get(before, name);
    return [name, isDeepStrictEqual(known, value) ? known : value];
  });
  // The same fields with equal values: still an O.
  return Object.fromEntries(fields) as O;
}

function readNamespace(namespace: Namespace): NamespaceWords {
  const { value, problems } = readEnrolmentWords(namespace.metadata);
  return { words: value, conditions: wordConditions(namespace, problems) };
}

function compileWorkload({
  pod,
  namespace,
  ports: declared,
  meshes,
}: PodInput): Tellable<CompiledPod> {
  return tellablePod(compilePod(pod, { namespace: namespace.words, declared, meshes }));
}

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

/** The ports that Services declare for each pod; the old ones when no Service declares otherwise. */
function declaredPorts(
  services: Memo["services"],
  old: Memo,
): Pick<Memo, "ports" | "portConditions"> {
  const unchanged =
    services.size === old.services.size &&
    [...services].every(
      ([key, { output }]) => old.services.get(key)?.output.declared === output.declared,
    );
  if (unchanged) return old;
  return mergeDeclaredPorts(outputs(services), old.ports);
}

function byPlace(a: Condition, b: Condition): number {
  const left = `${a.ref.kind}/${worldKey(a.ref)} ${a.field} ${a.reason} ${a.problem}`;
  const right = `${b.ref.kind}/${worldKey(b.ref)} ${b.field} ${b.reason} ${b.problem}`;
  return left < right ? -1 : Number(left > right);
}
