/**
 * Brings the kernel's tables from one pod's contents to another, in an order that is right at every step:
 * what an entry refers to is there before it, and goes after it.
 */

import type { CidrKey, PodTables, PortKey, ProbeKey } from "../kernel/mesh-maps.ts";
import type { PodContents } from "./contents.ts";

/** Value of `excluded_ports`: only whether the key is there counts. */
const PRESENT = 1;

/** A change of one pod: `undefined` = the tables hold, or shall hold, nothing of it. */
export interface PodChange {
  readonly from: PodContents | undefined;
  readonly to: PodContents | undefined;
}

/** Writes the difference. Both sides must be of the same cookie. */
export function writeChange(tables: PodTables, { from, to }: PodChange): void {
  if (to) writeAll(tables, to);
  else if (from) tables.pods.delete(from.cookie);
  if (from) deleteStale(tables, from, to);
  if (from) deleteStaleProbes(tables, from, to);
}

/**
 * What the tables hold of each of these pods: what an earlier agent left. Entries of any other pod are
 * deleted: their namespaces are gone.
 */
export function adoptContents(
  tables: PodTables,
  cookies: Iterable<bigint>,
): Map<bigint, PodContents | undefined> {
  const alive = new Set(cookies);
  dropOthers(tables, alive);
  const ports = Map.groupBy([...tables.excludedPorts.entries()].map(firstOf), (key) => key.pod);
  const cidrs = Map.groupBy(tables.cidrs.entries(), ([key]) => key.pod);
  const networks = Map.groupBy(tables.networks.entries(), ([key]) => key.pod);
  const probes = Map.groupBy(tables.probePorts.entries(), ([, pod]) => pod);
  const pods = new Map(tables.pods.entries());
  const contentsOf = (cookie: bigint): PodContents | undefined => {
    const pod = pods.get(cookie);
    if (pod === undefined) return undefined;
    return {
      cookie,
      pod,
      ports: ports.get(cookie) ?? [],
      cidrs: cidrs.get(cookie) ?? [],
      networks: networks.get(cookie) ?? [],
      probes: (probes.get(cookie) ?? []).map(firstOf),
    };
  };
  return new Map([...alive].map((cookie) => [cookie, contentsOf(cookie)]));
}

/** Whether two contents would write the same. */
export function sameContents(a: PodContents, b: PodContents): boolean {
  return textOf(a) === textOf(b);
}

function writeAll(tables: PodTables, contents: PodContents): void {
  for (const key of contents.ports) tables.excludedPorts.set(key, PRESENT);
  for (const [key, verdict] of contents.cidrs) tables.cidrs.set(key, verdict);
  for (const [key, network] of contents.networks) tables.networks.set(key, network);
  for (const key of contents.probes) tables.probePorts.set(key, contents.cookie);
  tables.pods.set(contents.cookie, contents.pod);
}

function deleteStale(tables: PodTables, from: PodContents, to: PodContents | undefined): void {
  const ports = new Set(to?.ports.map(portText));
  for (const key of from.ports) if (!ports.has(portText(key))) tables.excludedPorts.delete(key);
  for (const name of ["cidrs", "networks"] as const) {
    const kept = new Set(to?.[name].map(([key]) => cidrText(key)));
    for (const [key] of from[name]) if (!kept.has(cidrText(key))) tables[name].delete(key);
  }
}

/** Another pod may have the address by now. */
function deleteStaleProbes(
  tables: PodTables,
  from: PodContents,
  to: PodContents | undefined,
): void {
  const kept = new Set(to?.probes.map(probeText));
  for (const key of from.probes)
    if (!kept.has(probeText(key)) && tables.probePorts.get(key) === from.cookie)
      tables.probePorts.delete(key);
}

function dropOthers(tables: PodTables, alive: ReadonlySet<bigint>): void {
  for (const [cookie] of tables.pods.entries()) if (!alive.has(cookie)) tables.pods.delete(cookie);
  for (const [key] of tables.excludedPorts.entries())
    if (!alive.has(key.pod)) tables.excludedPorts.delete(key);
  for (const [key, pod] of tables.probePorts.entries())
    if (!alive.has(pod)) tables.probePorts.delete(key);
  for (const table of [tables.cidrs, tables.networks])
    for (const [key] of table.entries()) if (!alive.has(key.pod)) table.delete(key);
}

function textOf(contents: PodContents): string {
  const { cookie, pod, ports, cidrs, networks, probes } = contents;
  return [
    cookie,
    pod.flags,
    pod.device,
    pod.settings,
    pod.listenerPort,
    pod.ipv4.word,
    pod.ipv6.word,
    ports.map(portText),
    probes.map(probeText),
    cidrs.map(([key, verdict]) => `${cidrText(key)}=${verdict}`),
    networks.map(([key, network]) => `${cidrText(key)}=${network}`),
  ].join("|");
}

function firstOf<K>([key]: readonly [K, unknown]): K {
  return key;
}

function portText(key: PortKey): string {
  return `${key.pod}/${key.direction}/${key.port}/${key.prefixLength}`;
}

function probeText({ address, port }: ProbeKey): string {
  return `${address.word}/${port}`;
}

function cidrText(key: CidrKey): string {
  return `${key.pod}/${key.family}/${key.address.word}/${key.prefixLength}`;
}
