/**
 * The maps that the kernel's programs and the agent share, as typed tables. The interfaces are what the rest
 * of the agent sees, so that its tests can put plain Maps in their place.
 */

import type { Codec, MapHandle } from "ebpf-loader-wasm";
import {
  array,
  arrayMap,
  at,
  hashMap,
  perCpuArrayMap,
  socketMap,
  struct,
  u16,
  u32,
  u64,
} from "ebpf-loader-wasm";

/** `struct address`: four 32-bit words of an IPv6 address as they lie in memory; IPv4 is mapped. */
export interface MeshAddress {
  readonly word: readonly number[];
}

/** `struct pod`: the value of `pods`. */
export interface Pod {
  readonly flags: number;
  readonly ipv4: MeshAddress;
  readonly ipv6: MeshAddress;
}

/** `struct port_key`: a prefix of the port's 16 bits. `port` is in network byte order. */
export interface PortKey {
  readonly prefixLength: number;
  readonly direction: number;
  readonly pod: bigint;
  readonly port: number;
}

/** `struct cidr_key`. */
export interface CidrKey {
  readonly prefixLength: number;
  readonly family: number;
  readonly pod: bigint;
  readonly address: MeshAddress;
}

/** `struct heartbeat`. */
export interface Heartbeat {
  /** CLOCK_MONOTONIC in ns; 0 = the agent said goodbye. */
  readonly beatNs: bigint;
  /** 0 = unknown. */
  readonly agentPid: number;
}

/** What the redirect needs of a hash or trie map. */
export interface Table<K, V> {
  set(key: K, value: V): boolean;
  /** True when the key was there. */
  delete(key: K): boolean;
  entries(): IterableIterator<[K, V]>;
}

/** The tables that say which pods are caught and how, by network-namespace cookie. */
export interface PodTables {
  readonly pods: Table<bigint, Pod>;
  readonly excludedPorts: Table<PortKey, number>;
  readonly cidrs: Table<CidrKey, number>;
}

/** All maps that the agent touches. */
export interface MeshMaps extends PodTables {
  readonly listeners: { set(key: bigint, socketFd: number): void; delete(key: bigint): boolean };
  readonly heartbeat: { set(index: number, value: Heartbeat): void };
  readonly counters: { get(index: number): bigint[] };
}

const ADDRESS: Codec<MeshAddress> = struct({ word: at(0, array(u32, 4)) }, 16);
const POD: Codec<Pod> = struct(
  { flags: at(0, u32), ipv4: at(8, ADDRESS), ipv6: at(24, ADDRESS) },
  40,
);
const PORT_KEY: Codec<PortKey> = struct(
  { prefixLength: at(0, u32), direction: at(4, u32), pod: at(8, u64), port: at(16, u16) },
  24,
);
const CIDR_KEY: Codec<CidrKey> = struct(
  { prefixLength: at(0, u32), family: at(4, u32), pod: at(8, u64), address: at(16, ADDRESS) },
  32,
);
const HEARTBEAT: Codec<Heartbeat> = struct({ beatNs: at(0, u64), agentPid: at(8, u32) }, 16);

/** Puts the types on the maps of a loaded object. */
export function typedMaps(map: (name: string) => MapHandle): MeshMaps {
  return {
    pods: hashMap(map("pods"), u64, POD),
    listeners: socketMap(map("listeners"), u64),
    excludedPorts: hashMap(map("excluded_ports"), PORT_KEY, u32),
    cidrs: hashMap(map("cidrs"), CIDR_KEY, u32),
    heartbeat: arrayMap(map("heartbeat"), HEARTBEAT),
    counters: perCpuArrayMap(map("counters"), u64),
  };
}
