/**
 * The maps that the kernel's programs and the agent share, as typed tables. The interfaces are what the rest
 * of the agent sees, so that its tests can put plain Maps in their place.
 */

import type { Codec, LpmKey, MapHandle } from "ebpf-loader-wasm";
import {
  array,
  arrayMap,
  at,
  hashMap,
  lpmTrie,
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
/** `struct port_key` and `struct cidr_key` without their first field, the prefix's length. */
const PORT_DATA: Codec<Omit<PortKey, "prefixLength">> = struct(
  { direction: at(0, u32), pod: at(4, u64), port: at(12, u16) },
  20,
);
const CIDR_DATA: Codec<Omit<CidrKey, "prefixLength">> = struct(
  { family: at(0, u32), pod: at(4, u64), address: at(12, ADDRESS) },
  28,
);
const HEARTBEAT: Codec<Heartbeat> = struct({ beatNs: at(0, u64), agentPid: at(8, u32) }, 16);

/** Puts the types on the maps of a loaded object. */
export function typedMaps(map: (name: string) => MapHandle): MeshMaps {
  return {
    pods: hashMap(map("pods"), u64, POD),
    listeners: socketMap(map("listeners"), u64),
    excludedPorts: prefixTable<PortKey>(map("excluded_ports"), PORT_DATA),
    cidrs: prefixTable<CidrKey>(map("cidrs"), CIDR_DATA),
    heartbeat: arrayMap(map("heartbeat"), HEARTBEAT),
    counters: perCpuArrayMap(map("counters"), u64),
  };
}

/** A longest-prefix trie whose keys have structure behind the prefix's length. */
function prefixTable<K extends { readonly prefixLength: number }>(
  map: MapHandle,
  data: Codec<Omit<K, "prefixLength">>,
): Table<K, number> {
  const trie = lpmTrie(map, data.size, u32);
  const toTrie = (key: K): LpmKey => {
    const bytes = new Uint8Array(data.size);
    data.encode(key, viewOf(bytes), 0);
    return { prefixLength: key.prefixLength, data: bytes };
  };
  // The codec gives every field but the one that is added here; TypeScript can't see that about a generic K.
  const fromTrie = ({ prefixLength, data: bytes }: LpmKey): K =>
    ({ prefixLength, ...data.decode(viewOf(bytes), 0) }) as unknown as K;
  return {
    set: (key, value) => trie.set(toTrie(key), value),
    delete: (key) => trie.delete(toTrie(key)),
    *entries() {
      for (const [key, value] of trie.entries()) yield [fromTrie(key), value];
    },
  };
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
