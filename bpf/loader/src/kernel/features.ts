/**
 * src/kernel asks the running kernel what it has: features by probing, its types (BTF), its symbols, its build
 * settings. Answers are cached for the life of the process. It may import sys and core; it must never load
 * anything on behalf of a user.
 */

import { BPF } from "../sys/constants.ts";
import { type Host, kernelHost } from "../sys/host.ts";
import { probeBlob } from "./probe-types.ts";

/** What can be asked about, each with the kernel that brought it. */
const SINCE = {
  "btf-functions": "5.0",
  "btf-sections": "5.2",
  "btf-global-functions": "5.6",
  "btf-float": "5.13",
  "btf-declaration-tags": "5.16",
  "btf-type-tags": "5.17",
  "btf-64-bit-enums": "6.0",
  "mappable-arrays": "5.5",
  "program-names": "4.15",
  "cgroup-links": "5.7",
  "netns-links": "5.9",
  "sockmap-links": "6.10",
  "tcx-links": "6.6",
  "ring-buffer": "5.8",
  "lru-hashes": "4.10",
  "lpm-tries": "4.11",
  "socket-hashes": "4.18",
  "sockops-programs": "4.13",
  "connect-programs": "4.17",
  "sk-lookup-programs": "5.9",
} as const;

/** Name of a kernel feature this package can probe. */
export type Feature = keyof typeof SINCE;

const cache = new WeakMap<Host, Map<Feature, boolean>>();

/** First kernel version that has the feature. */
export function featureSince(feature: Feature): string {
  return SINCE[feature];
}

/** Does the running kernel have it? Tried once by a harmless call, then remembered. */
export function hasFeature(feature: Feature, host: Host = kernelHost()): boolean {
  const known = cache.get(host) ?? new Map<Feature, boolean>();
  cache.set(host, known);
  let answer = known.get(feature);
  if (answer === undefined) {
    answer = probe(feature, host);
    known.set(feature, answer);
  }
  return answer;
}

/** Attach types of BPF_LINK_CREATE whose support shows in how a call without a program fails. */
const LINK_PROBES: Partial<Record<Feature, number>> = {
  "cgroup-links": 10,
  "netns-links": 36,
  "sockmap-links": 7,
  "tcx-links": 46,
};

/** Type, bytes of key and value, entries, flags of the smallest map that shows the feature. */
const MAP_PROBES: Partial<Record<Feature, readonly number[]>> = {
  "mappable-arrays": [2, 4, 4, 1, 1 << 10],
  "ring-buffer": [27, 0, 0, 4096, 0],
  "lru-hashes": [9, 4, 4, 1, 0],
  "lpm-tries": [11, 8, 4, 1, 1],
  "socket-hashes": [18, 4, 4, 1, 0],
};

/** Program and attach type, and perhaps a name, of the shortest program that shows the feature. */
const PROGRAM_PROBES: Partial<Record<Feature, TrivialProgram>> = {
  "program-names": { type: 1, name: "probe" },
  "sockops-programs": { type: 13 },
  "connect-programs": { type: 18, attach: 10 },
  "sk-lookup-programs": { type: 30, attach: 36 },
};

interface TrivialProgram {
  readonly type: number;
  readonly attach?: number;
  readonly name?: string;
}

function probe(feature: Feature, host: Host): boolean {
  if (feature.startsWith("btf-")) return succeeds(host, loadTypes(host, feature));
  const map = MAP_PROBES[feature];
  if (map !== undefined) return succeeds(host, createMap(host, map));
  const program = PROGRAM_PROBES[feature];
  if (program !== undefined) return succeeds(host, loadTrivial(host, program));
  return linkProbe(host, LINK_PROBES[feature] ?? 0);
}

function succeeds(host: Host, fd: number): boolean {
  if (fd >= 0) host.syscalls.close(fd);
  return fd >= 0;
}

function loadTypes(host: Host, feature: Feature): number {
  const blob = probeBlob(feature);
  return host.call.begin().data(0, blob).u32(16, blob.length).run(BPF.btfLoad, 28);
}

function createMap(host: Host, words: readonly number[]): number {
  const call = host.call.begin();
  for (const [i, word] of words.entries()) call.u32(i * 4, word);
  return call.run(BPF.mapCreate, 72);
}

/** `r0 = 1; exit`, which every type takes. */
function loadTrivial(host: Host, { type, attach = 0, name }: TrivialProgram): number {
  const code = Uint8Array.of(0xb7, 0, 0, 0, 1, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0);
  const call = host.call.begin().u32(0, type).u32(4, 2).data(8, code).text(16, "GPL");
  if (name !== undefined) call.name(48, name);
  return call.u32(68, attach).run(BPF.progLoad, 144);
}

/** A program of the wrong type: EINVAL means the attach type is not known, EBADF that its target was looked at. */
function linkProbe(host: Host, attachType: number): boolean {
  const call = host.call.begin().u32(0, 0xffffffff).u32(4, 0xffffffff).u32(8, attachType);
  const EBADF = 9;
  return call.run(BPF.linkCreate, 48) === -EBADF;
}
