/**
 * Who listens in a pod, as far as the kernel's programs did not see it begin: what the kernel lists (sock_diag) and
 * `listening` does not count goes into `found_listening`. So a port of which nothing is known is one that nobody
 * listens on. Doubts may only ever be on the side of "somebody listens".
 */

import { mapAddress, parseAddress } from "#model/address.ts";
import { LISTENING_SHARE } from "../kernel/layout.gen.ts";
import type { ListeningKey, ListeningTables } from "../kernel/mesh-maps.ts";
import type { ListeningSocket } from "../kernel/sock-diag.ts";
import { AF_INET, AF_INET6 } from "../kernel/socket-constants.ts";

/** A place in the kernel's words, and how many sockets listen there. */
export interface ListeningPlace {
  readonly key: ListeningKey;
  readonly sockets: number;
}

/** Where these sockets of the pod listen; one on `[::]` may do so in two places. */
export function listeningPlaces(
  pod: bigint,
  sockets: readonly ListeningSocket[],
): readonly ListeningPlace[] {
  const keys = sockets.flatMap((socket) => keysOf(pod, socket));
  const groups = Map.groupBy(keys, textOf);
  return [...groups.values()].flatMap((same) => {
    const [key] = same;
    return key === undefined ? [] : [{ key, sockets: same.length }];
  });
}

/**
 * From now on the programs count the listeners that begin in the pod; its ports are in doubt until the first review.
 * What an earlier agent began goes on.
 */
export function beginListening(tables: ListeningTables, pod: bigint): void {
  if (tables.listeningStates.get(pod) !== undefined) return;
  const epoch = newEpoch();
  tables.listeningStates.set(pod, { epoch, keys: 0, full: 1, refused: 0, stale: 0, wanted: 0 });
}

/**
 * Brings the tables to what the kernel lists; `list` is asked after the places of nobody were taken away, so that
 * what is counted at that moment shows up in its answer. Returns whether a socket was found that had been missed.
 */
export function reviewListening(
  tables: ListeningTables,
  pod: bigint,
  list: () => readonly ListeningSocket[],
): boolean {
  const counted = dropEmpty(tables, pod);
  const places = listeningPlaces(pod, list());
  const uncounted = places.flatMap(({ key, sockets }): ListeningPlace[] => {
    const missing = sockets - (tables.listening.get(key) ?? 0);
    return missing > 0 ? [{ key, sockets: missing }] : [];
  });
  const full = places.length > LISTENING_SHARE;
  const wrote = writeFound(tables, pod, full ? [] : uncounted);
  const before = tables.listeningStates.get(pod);
  const asksForWrite = before?.full !== (full ? 1 : 0) || before.keys > counted;
  if (before !== undefined && asksForWrite)
    tables.listeningStates.set(pod, { ...before, keys: counted, full: full ? 1 : 0 });
  return wrote;
}

/** Forgets a pod that leaves. */
export function endListening(tables: ListeningTables, pod: bigint): void {
  tables.listeningStates.delete(pod);
  for (const table of [tables.listening, tables.foundListening])
    for (const [key] of [...table.entries()]) if (key.pod === pod) table.delete(key);
}

/** Forgets every pod but these: their namespaces are gone. */
export function dropListening(tables: ListeningTables, alive: ReadonlySet<bigint>): void {
  for (const [pod] of [...tables.listeningStates.entries()])
    if (!alive.has(pod)) tables.listeningStates.delete(pod);
  for (const table of [tables.listening, tables.foundListening])
    for (const [key] of [...table.entries()]) if (!alive.has(key.pod)) table.delete(key);
}

/** Takes the places away where nobody is left; returns how many others the pod has. */
function dropEmpty(tables: ListeningTables, pod: bigint): number {
  let left = 0;
  for (const [key, sockets] of [...tables.listening.entries()]) {
    if (key.pod !== pod) continue;
    if (sockets === 0) tables.listening.delete(key);
    else left++;
  }
  return left;
}

/** Returns whether anything was added. */
function writeFound(
  { foundListening }: ListeningTables,
  pod: bigint,
  wanted: readonly ListeningPlace[],
): boolean {
  const stale = new Map(
    [...foundListening.entries()]
      .filter(([key]) => key.pod === pod)
      .map(([key, sockets]) => [textOf(key), { key, sockets }]),
  );
  let added = false;
  for (const { key, sockets } of wanted) {
    const before = stale.get(textOf(key))?.sockets ?? 0;
    stale.delete(textOf(key));
    if (before !== sockets) foundListening.set(key, sockets);
    added ||= sockets > before;
  }
  for (const { key } of stale.values()) foundListening.delete(key);
  return added;
}

/** As places_of() of bpf/listening.h. */
function keysOf(pod: bigint, socket: ListeningSocket): ListeningKey[] {
  const { port, device, ipv6Only } = socket;
  const bytes = parseAddress(socket.address) ?? new Uint8Array(16);
  const key = (family: number, address: Uint8Array): ListeningKey => {
    const view = new DataView(mapAddress(address).slice().buffer);
    const word = [0, 4, 8, 12].map((at) => view.getUint32(at, true));
    return { pod, address: { word: isAny(address) ? [0, 0, 0, 0] : word }, device, port, family };
  };
  if (bytes.length === 4) return [key(AF_INET, bytes)];
  const ipv4 = mappedIpv4(bytes);
  if (ipv4 !== undefined) return [key(AF_INET, ipv4)];
  const own = key(AF_INET6, bytes);
  return isAny(bytes) && !ipv6Only ? [own, { ...own, family: AF_INET }] : [own];
}

function mappedIpv4(bytes: Uint8Array): Uint8Array | undefined {
  const prefix = mapAddress(new Uint8Array(4)).subarray(0, 12);
  return prefix.every((byte, i) => byte === bytes[i]) ? bytes.subarray(12) : undefined;
}

function isAny(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function textOf({ pod, address, device, port, family }: ListeningKey): string {
  return `${pod}/${address.word}/${device}/${port}/${family}`;
}

/** Not 0, and another one than a moment ago: microseconds, which begin anew after an hour and more. */
function newEpoch(): number {
  return Number((process.hrtime.bigint() / 1000n) & 0xffffffffn) || 1;
}
