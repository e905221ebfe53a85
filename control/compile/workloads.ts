/** One pod to one workload. */

import { canonicalAddress } from "#model/address.ts";
import {
  type EnrolmentWords,
  readEnrolmentWords,
  resolveEnrolment,
  type WordProblem,
} from "#model/annotations.ts";
import type { Enrolment, PortRange } from "#model/enrolment.ts";
import type { Workload, WorkloadPort } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { type KubeObject, objectRef } from "../k8s/api/decode.ts";
import { containerPorts, type Pod } from "../k8s/api/pod.ts";
import { ownerOf } from "./owner.ts";
import { probePortsOf } from "./probe-ports.ts";
import { type PodPort, protocolOfName } from "./protocol.ts";

/** What a namespace says for its pods. */
export interface NamespaceWords {
  readonly words: EnrolmentWords;
  readonly conditions: readonly Condition[];
}

/** A pod's compilation. */
export interface CompiledPod {
  /** undefined: the pod has finished, or has no address yet and does not have to be caught before it starts. */
  readonly value: Workload | undefined;
  readonly key: string;
  /** metadata.creationTimestamp; decides who keeps an address. */
  readonly created: string;
  readonly source: Pod;
  /** Ports whose bytes its owner wants nobody to read, enrolled or not; empty when it has finished. */
  readonly opaquePorts: readonly PortRange[];
  readonly conditions: readonly Condition[];
}

/** What others say about a pod. */
export interface PodContext {
  readonly namespace: EnrolmentWords;
  /** The ports that Services declare for it. */
  readonly declared: readonly PodPort[];
  /** Keys of the ServiceMeshes that enrol it. */
  readonly meshes: readonly string[];
  /** Whether one of them has its requests traced. */
  readonly traced: boolean;
}

/** Compiles a pod. Its own word comes before that of a ServiceMesh, and that before its namespace's. */
export function compilePod(pod: Pod, context: PodContext): CompiledPod {
  const { namespace, declared, meshes } = context;
  const { metadata, spec } = pod;
  const said = readEnrolmentWords(metadata);
  const meshed = { ...namespace, ...wordsOfMeshes(context) };
  const wanted = resolveEnrolment(said.value, meshed);
  const addresses = podAddresses(pod);
  const sandboxUid = sandboxUidOf(pod);
  const conditions = [
    ...wordConditions(pod, said.problems),
    ...addresses.conditions,
    ...sandboxUid.conditions,
  ];
  if (wanted !== undefined && spec.hostNetwork) conditions.push(hostNetwork(pod));
  if (said.value.enabled === false && meshes[0] !== undefined)
    conditions.push(optedOut(pod, meshes[0]));
  const reachable = addresses.texts.length > 0 || spec.hostNetwork;
  // Its node's agent catches it before its containers run, if it hears of it that early.
  const starting = wanted !== undefined && spec.nodeName !== "";
  const finished = isFinished(pod);
  const absent = finished || !(reachable || starting);
  const opaquePorts = finished ? [] : opaquePortsOf(said.value, namespace);
  const value: Workload = {
    uid: metadata.uid,
    ...(sandboxUid.value !== undefined && { sandboxUid: sandboxUid.value }),
    name: metadata.name,
    namespace: metadata.namespace,
    owner: ownerOf(pod),
    serviceAccount: spec.serviceAccountName,
    node: spec.nodeName,
    addresses: addresses.texts,
    ...enrolmentOf(spec.hostNetwork ? undefined : wanted, opaquePorts),
    ...probesOf(pod, wanted),
    ports: portsOf(pod, declared),
  };
  return {
    value: absent ? undefined : value,
    key: metadata.uid,
    created: metadata.creationTimestamp ?? "",
    source: pod,
    opaquePorts,
    conditions,
  };
}

function probesOf({ spec }: Pod, wanted: Enrolment | undefined): Pick<Workload, "probePorts"> {
  const probePorts = wanted === undefined || spec.hostNetwork ? [] : probePortsOf(spec);
  return probePorts.length === 0 ? {} : { probePorts };
}

/** What ServiceMeshes say in the pod's place: with a tracer, that all its requests be traced. */
function wordsOfMeshes({ meshes, traced }: PodContext): EnrolmentWords {
  if (meshes.length === 0) return {};
  return traced ? { enabled: true, trace: 1 } : { enabled: true };
}

function opaquePortsOf(pod: EnrolmentWords, namespace: EnrolmentWords): readonly PortRange[] {
  return pod.opaquePorts ?? namespace.opaquePorts ?? [];
}

/** Its owner's word on its ports counts for its clients without the mesh too. */
function enrolmentOf(
  enrolment: Enrolment | undefined,
  opaquePorts: readonly PortRange[],
): Pick<Workload, "enrolment" | "opaquePorts"> {
  if (enrolment !== undefined) return { enrolment };
  return opaquePorts.length === 0 ? {} : { opaquePorts };
}

/** The conditions of an object whose mesh annotations have problems. */
export function wordConditions(
  object: KubeObject,
  problems: readonly WordProblem[],
): readonly Condition[] {
  const ref = objectRef(object);
  return problems.map((problem) => ({ ref, reason: "malformed-annotation", ...problem }));
}

const MIRROR_WORD = "kubernetes.io/config.mirror";
const HASH_WORD = "kubernetes.io/config.hash";

/** What kubelet makes of a manifest, and never the form of an API uid: by those a pod could claim another's sandbox. */
const MANIFEST_HASH = /^[0-9a-f]{32}$/;

/** A static pod's API object is a mirror with a uid of its own; on the node it goes by its manifest's hash. */
function sandboxUidOf(pod: Pod): {
  value: string | undefined;
  conditions: readonly Condition[];
} {
  const { [MIRROR_WORD]: mirror, [HASH_WORD]: hash = "" } = pod.metadata.annotations;
  if (mirror === undefined) return { value: undefined, conditions: [] };
  if (MANIFEST_HASH.test(hash)) return { value: hash, conditions: [] };
  return { value: undefined, conditions: [oddHash(pod)] };
}

function isFinished(pod: Pod): boolean {
  return pod.status.phase === "Succeeded" || pod.status.phase === "Failed";
}

/** A pod on its node's network has no address of its own: the node's says nothing about who it is. */
function podAddresses(pod: Pod): { texts: readonly string[]; conditions: readonly Condition[] } {
  if (pod.spec.hostNetwork) return { texts: [], conditions: [] };
  const { podIPs, podIP } = pod.status;
  const given = podIPs.length > 0 ? podIPs.map(({ ip }) => ip) : podIP === undefined ? [] : [podIP];
  const texts = new Set<string>();
  const conditions: Condition[] = [];
  for (const [i, text] of given.entries()) {
    const address = canonicalAddress(text);
    if (address !== undefined) texts.add(address);
    else if (text !== "")
      conditions.push({
        ref: objectRef(pod),
        reason: "malformed-address",
        field: `status.podIPs[${i}].ip`,
        problem: `${JSON.stringify(text)} is not an IP address`,
        nextStep: "see who wrote the pod's status; the address is left out",
      });
  }
  return { texts: [...texts], conditions };
}

function oddHash(pod: Pod): Condition {
  return {
    ref: objectRef(pod),
    reason: "malformed-annotation",
    field: `metadata.annotations["${HASH_WORD}"]`,
    problem: "is not the hash that kubelet gives a static pod, 32 hexadecimal digits",
    nextStep: `remove metadata.uid from the static pod's manifest; if it is none, remove ${MIRROR_WORD}`,
  };
}

function hostNetwork(pod: Pod): Condition {
  return {
    ref: objectRef(pod),
    reason: "host-network",
    field: "spec.hostNetwork",
    problem: "asks for the mesh but uses its node's network, which the mesh never touches",
    nextStep: "remove hostNetwork, or set mesh/enabled=false on the pod",
  };
}

function optedOut(pod: Pod, mesh: string): Condition {
  return {
    ref: objectRef(pod),
    reason: "enrolment-conflict",
    field: 'metadata.annotations["mesh/enabled"]',
    problem: `false keeps the pod out of the mesh, though ServiceMesh ${mesh} names its Service`,
    nextStep: "remove the annotation, or take the Service out of the ServiceMesh",
  };
}

/** Container ports, with what Services say of them before the port's own name. */
function portsOf(pod: Pod, declared: readonly PodPort[]): readonly WorkloadPort[] {
  const ports = new Map<number, WorkloadPort>();
  for (const { containerPort: port, name, protocol } of containerPorts(pod.spec))
    if (protocol === "TCP") ports.set(port, { port, protocol: protocolOfName(name) });
  for (const { said, ...port } of declared) {
    const own = said ? undefined : ports.get(port.port)?.protocol;
    ports.set(port.port, { ...port, protocol: own ?? port.protocol });
  }
  return [...ports.values()].sort((a, b) => a.port - b.port);
}
