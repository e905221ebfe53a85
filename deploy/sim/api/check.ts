/** What the simulator asks of an object before it takes it, beyond its fields' shapes. Pure. */

import type { Controller, Job } from "../../../control/k8s/api/controllers.ts";
import { type KubeObject, objectRef } from "../../../control/k8s/api/decode.ts";
import type { PodSpec } from "../../../control/k8s/api/pod.ts";
import type { Service } from "../../../control/k8s/api/service.ts";
import { matchesLabels } from "../cluster/endpoints.ts";
import { decodeRaw, nameOf, type RawObject, type Stored } from "../cluster/raw.ts";
import { commandOf } from "../kubelet/environment.ts";

/** Kinds that the simulator can run or serve. */
const APPLICABLE: ReadonlySet<string> = new Set([
  "Namespace",
  "Pod",
  "Service",
  "EndpointSlice",
  "Deployment",
  "ReplicaSet",
  "StatefulSet",
  "DaemonSet",
  "Job",
  "ServiceAccount",
  "ConfigMap",
  "ServiceMesh",
]);

/** The object in both forms. Throws an Error that names object, field and problem. */
export function checked(raw: RawObject): Stored {
  const stored = decodeRaw(raw);
  const ref = objectRef(stored.object);
  if (!APPLICABLE.has(ref.kind))
    throw new Error(`${nameOf(ref)}: the simulator can't run a ${ref.kind}; leave it out`);
  const problem = problemOf(stored.object);
  if (problem !== undefined) throw new Error(`${nameOf(ref)} is invalid: ${problem}`);
  return stored;
}

/** The problems of all objects, in order; empty when all can be applied. */
export function problemsOf(objects: readonly RawObject[]): readonly string[] {
  return objects.flatMap((raw) => {
    try {
      checked(raw);
      return [];
    } catch (error) {
      return [error instanceof Error ? error.message : String(error)];
    }
  });
}

/** What an object asks for and will not get, in words. */
export function shortcomings(raw: RawObject): readonly string[] {
  const template = raw.spec?.["template"] as { readonly spec?: LoosePodSpec } | undefined;
  const spec = (raw.kind === "Pod" ? raw.spec : template?.spec) as LoosePodSpec | undefined;
  const containers = [...list(spec?.initContainers), ...list(spec?.containers)];
  const fromElsewhere = containers.flatMap((one) => list(one.env)).filter(isForeign);
  const said = [
    spec?.hostNetwork === true && "hostNetwork is not simulated: the pod gets a network of its own",
    list(spec?.volumes).length > 0 &&
      "volumes are not simulated: containers see this machine's files",
    containers.some((one) => list(one.envFrom).length > 0) && "envFrom is not simulated",
    ...fromElsewhere.map(
      (one) => `variable ${one.name} stays empty: only fieldRef and plain values are simulated`,
    ),
  ];
  const name = nameOf({ kind: raw.kind, name: raw.metadata.name });
  if (raw.kind === "Service")
    said.push(familyShortcoming(raw.spec as LooseServiceSpec | undefined));
  return said.filter((words) => words !== false).map((words) => `${name}: ${words}`);
}

/** Every Service with an address gets one of each family, whatever it asks for (see cluster/service-addresses.ts). */
function familyShortcoming(spec: LooseServiceSpec | undefined): string | false {
  if (spec?.type === "ExternalName") return false;
  const families = list(spec?.ipFamilies);
  const policy = spec?.ipFamilyPolicy ?? undefined;
  const asked = [
    families.length > 0 && families.join() !== "IPv4,IPv6" && `ipFamilies [${families.join(", ")}]`,
    policy === "SingleStack" && "ipFamilyPolicy SingleStack",
  ].filter((words) => words !== false);
  if (asked.length === 0) return false;
  return `${asked.join(" and ")} ${asked.length === 1 ? "is" : "are"} overridden: every Service of the simulator has IPv4 and IPv6, in this order`;
}

/** The fields of a Service that are looked at, as anybody may have written them. */
interface LooseServiceSpec {
  readonly type?: unknown;
  readonly ipFamilies?: readonly unknown[] | null;
  readonly ipFamilyPolicy?: unknown;
}

interface LooseContainer {
  readonly env?: readonly LooseVariable[] | null;
  readonly envFrom?: readonly unknown[] | null;
}

interface LooseVariable {
  readonly name?: string;
  readonly valueFrom?: Readonly<Record<string, unknown>> | null;
}

/** The fields that are looked at, as anybody may have written them. */
interface LoosePodSpec {
  readonly hostNetwork?: unknown;
  readonly volumes?: readonly unknown[] | null;
  readonly containers?: readonly LooseContainer[] | null;
  readonly initContainers?: readonly LooseContainer[] | null;
}

function list<T>(value: readonly T[] | null | undefined): readonly T[] {
  return Array.isArray(value) ? value : [];
}

function isForeign(variable: LooseVariable): boolean {
  const from = variable.valueFrom ?? undefined;
  return from !== undefined && from["fieldRef"] === undefined;
}

function problemOf(object: KubeObject): string | undefined {
  switch (object.kind) {
    case "Pod":
      return podProblem(object.spec, "spec");
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
      return selectorProblem(object) ?? podProblem(object.spec.template.spec, "spec.template.spec");
    case "Job":
      return jobProblem(object) ?? podProblem(object.spec.template.spec, "spec.template.spec");
    case "Service":
      return serviceProblem(object);
    default:
      return undefined;
  }
}

function podProblem(spec: PodSpec, path: string): string | undefined {
  if (spec.containers.length === 0) return `${path}.containers must hold at least one container`;
  const names = [...spec.initContainers, ...spec.containers].map((one) => one.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) return `${path}.containers: two are named "${twice}"`;
  if (!["Always", "OnFailure", "Never"].includes(spec.restartPolicy))
    return `${path}.restartPolicy must be Always, OnFailure or Never`;
  for (const container of [...spec.initContainers, ...spec.containers]) {
    const problem = commandOf(container).problem;
    if (problem !== undefined) return `${path}: ${problem}`;
  }
  return undefined;
}

function selectorProblem({ spec }: Controller): string | undefined {
  const { matchLabels } = spec.selector;
  if (Object.keys(matchLabels).length === 0)
    return "spec.selector.matchLabels must hold a label of spec.template";
  if (!matchesLabels(matchLabels, spec.template.metadata.labels))
    return "spec.selector.matchLabels does not match spec.template.metadata.labels";
  return undefined;
}

function jobProblem({ spec }: Job): string | undefined {
  return ["Never", "OnFailure"].includes(spec.template.spec.restartPolicy)
    ? undefined
    : "spec.template.spec.restartPolicy must be Never or OnFailure";
}

function serviceProblem({ spec }: Service): string | undefined {
  if (spec.ports.length === 0 && spec.clusterIP !== "None" && spec.type !== "ExternalName")
    return "spec.ports must hold at least one port";
  if (spec.ports.length > 1 && spec.ports.some((port) => port.name === ""))
    return "spec.ports: each of several ports must have a name";
  const keys = spec.ports.map((port) => `${port.port}/${port.protocol}`);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  return twice === undefined ? undefined : `spec.ports: ${twice} is there twice`;
}
