/**
 * From what the mesh knows (model) to what the kernel holds (maps), and the pods of a node to their network
 * namespaces: finding them, setting them up, catching their connections, undoing it.
 * May import agent/model, agent/kernel and agent/state. Must never relay bytes, and must never leave
 * anything behind in a namespace or in the kernel that it can't find again after a crash.
 *
 * This file is the pure part: the map contents of one pod.
 */

import type { Cidr } from "#model/address.ts";
import { cidrContains, mapAddress, parseAddress, parseCidr } from "#model/address.ts";
import type { Enrolment, PortRange } from "#model/enrolment.ts";
import type { Snapshot } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import {
  CIDR_EXCLUDE,
  CIDR_INCLUDE,
  CIDR_PREFIX,
  DIRECTION_IN,
  DIRECTION_OUT,
  POD_CATCH,
  POD_CIDRS,
  POD_CIDRS_ONLY,
  POD_FAIL_CLOSED,
  POD_NETWORKS,
  POD_PORTS_IN,
  POD_PORTS_OUT,
  POD_PROBED,
  POD_STRICT,
  PORT_PREFIX,
} from "../kernel/layout.gen.ts";
import type { CidrKey, MeshAddress, Pod, PortKey, ProbeKey } from "../kernel/mesh-maps.ts";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";
import type { KnownNetwork } from "./networks.ts";
import { portPrefixes } from "./port-prefixes.ts";

/** A workload that the mesh serves. */
export interface EnrolledWorkload extends Workload {
  readonly enrolment: Enrolment;
}

/** Everything the kernel's maps hold about one pod. */
export interface PodContents {
  readonly cookie: bigint;
  readonly pod: Pod;
  readonly ports: readonly PortKey[];
  /** Each key with CIDR_INCLUDE or CIDR_EXCLUDE. */
  readonly cidrs: readonly (readonly [CidrKey, number])[];
  /** Each key with NETWORK_MESH, NETWORK_OTHER or NETWORK_OWN. */
  readonly networks: readonly (readonly [CidrKey, number])[];
  /** Where kubelet asks it. */
  readonly probes: readonly ProbeKey[];
}

/** What is only known once the pod's namespace is open. */
export interface PodFacts {
  /** Index of the interface that has the pod's addresses; 0 when that is not one. */
  readonly device: number;
  /** Where other interfaces lead. */
  readonly networks: readonly KnownNetwork[];
  /** What the pod had of the settings that the agent changes, for when it leaves: settingsOf(). */
  readonly settings: number;
  /** Port of the agent's listeners; 0 when there is none. */
  readonly listenerPort: number;
}

/** Of a namespace of which nothing is known. */
export const NO_FACTS: PodFacts = { device: 0, networks: [], settings: 0, listenerPort: 0 };

/** The enrolled pods of a node, by uid. */
export function enrolledOn(node: string, snapshot: Snapshot): Map<string, EnrolledWorkload> {
  const found = new Map<string, EnrolledWorkload>();
  for (const workload of snapshot.workloads.values())
    if (workload.node === node && isEnrolled(workload)) found.set(workload.uid, workload);
  return found;
}

/** The uid that the cgroups of the pod's processes name. */
export function sandboxOf({ uid, sandboxUid }: Workload): string {
  return sandboxUid ?? uid;
}

/** What the kernel must know of a pod whose network namespace has that cookie. */
export function podContents(
  workload: EnrolledWorkload,
  cookie: bigint,
  facts: PodFacts = NO_FACTS,
): PodContents {
  const { enrolment } = workload;
  const ports = [
    ...portKeys(cookie, DIRECTION_OUT, enrolment.excludeOutboundPorts),
    ...portKeys(cookie, DIRECTION_IN, enrolment.excludeInboundPorts),
  ];
  const cidrs = cidrEntries(cookie, enrolment);
  const networks = facts.networks.flatMap(([text, network]) => {
    const cidr = parseCidr(text);
    return cidr === undefined ? [] : [[cidrKey(cookie, cidr), network] as const];
  });
  const probes = probeKeys(workload);
  const flags =
    flagsOf(enrolment, cidrs.length > 0) |
    (networks.length > 0 ? POD_NETWORKS : 0) |
    (probes.length > 0 ? POD_PROBED : 0);
  const { device, settings, listenerPort } = facts;
  const pod = { flags, device, ...podAddresses(workload), settings, listenerPort };
  return { cookie, pod, ports, cidrs, networks, probes };
}

/** The same pod on its way out of the mesh: known, so that what it began ends well, but no longer caught. */
export function leavingContents(contents: PodContents): PodContents {
  const flags = contents.pod.flags & ~POD_CATCH;
  return { ...contents, pod: { ...contents.pod, flags } };
}

/**
 * The same pod with an agent that takes nothing new. With mesh/fail=open it is as one on its way out, and its listener
 * stays: a connect that was marked a moment ago still finds it. With closed it is caught, to be refused.
 */
export function releasedContents(contents: PodContents): PodContents {
  return contents.pod.flags & POD_FAIL_CLOSED ? contents : leavingContents(contents);
}

function isEnrolled(workload: Workload): workload is EnrolledWorkload {
  return workload.enrolment !== undefined;
}

/** Whether the pod is not to be reached past an agent: its owner said so, or what is denied could be reached otherwise. */
export function isClosed({ fail, mtls }: Pick<Enrolment, "fail" | "mtls">): boolean {
  return fail === "closed" || mtls === "strict";
}

function flagsOf(enrolment: Enrolment, hasCidrs: boolean): number {
  return (
    POD_CATCH |
    (isClosed(enrolment) ? POD_FAIL_CLOSED : 0) |
    (enrolment.mtls === "strict" ? POD_STRICT : 0) |
    (enrolment.excludeOutboundPorts.length > 0 ? POD_PORTS_OUT : 0) |
    (enrolment.excludeInboundPorts.length > 0 ? POD_PORTS_IN : 0) |
    (hasCidrs ? POD_CIDRS : 0) |
    (enrolment.includeOutboundCidrs.length > 0 ? POD_CIDRS_ONLY : 0)
  );
}

function probeKeys({ addresses, probePorts = [] }: Workload): ProbeKey[] {
  const all = addresses.map(parseAddress).filter((bytes) => bytes !== undefined);
  return all.flatMap((bytes) =>
    probePorts.map((port) => ({ address: meshAddress(bytes), port, reserved: 0 })),
  );
}

function podAddresses(workload: Workload): { ipv4: MeshAddress; ipv6: MeshAddress } {
  const all = workload.addresses.map(parseAddress).filter((bytes) => bytes !== undefined);
  const find = (length: number): MeshAddress => meshAddress(all.find((ip) => ip.length === length));
  return { ipv4: find(4), ipv6: find(16) };
}

function portKeys(pod: bigint, direction: number, ranges: readonly PortRange[]): PortKey[] {
  return ranges.flatMap(portPrefixes).map(({ port, bits }) => ({
    prefixLength: PORT_PREFIX + bits,
    direction,
    pod,
    port: swap16(port),
  }));
}

/** Excluded always wins: an included block inside an excluded one is not written, nor is one of both kinds. */
function cidrEntries(pod: bigint, enrolment: Enrolment): (readonly [CidrKey, number])[] {
  const excluded = readCidrs(enrolment.excludeOutboundCidrs);
  const included = readCidrs(enrolment.includeOutboundCidrs).filter(
    (cidr) => !excluded.some((outer) => covers(outer, cidr)),
  );
  return [
    ...excluded.map((cidr) => [cidrKey(pod, cidr), CIDR_EXCLUDE] as const),
    ...included.map((cidr) => [cidrKey(pod, cidr), CIDR_INCLUDE] as const),
  ];
}

function readCidrs(texts: readonly string[]): Cidr[] {
  return texts.map(parseCidr).filter((cidr) => cidr !== undefined);
}

function covers(outer: Cidr, inner: Cidr): boolean {
  return outer.bits <= inner.bits && cidrContains(outer, inner.bytes);
}

function cidrKey(pod: bigint, cidr: Cidr): CidrKey {
  const isIpv4 = cidr.bytes.length === 4;
  return {
    prefixLength: CIDR_PREFIX + (isIpv4 ? 96 : 0) + cidr.bits,
    family: isIpv4 ? AF_INET : AF_INET6,
    pod,
    address: meshAddress(cidr.bytes),
  };
}

/** All zeroes for an address the pod does not have. */
function meshAddress(bytes: Uint8Array | undefined): MeshAddress {
  const view = new DataView(new ArrayBuffer(16));
  if (bytes) new Uint8Array(view.buffer).set(mapAddress(bytes));
  return { word: [0, 4, 8, 12].map((offset) => view.getUint32(offset, true)) };
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}
