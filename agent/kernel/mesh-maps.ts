/**
 * The maps that the kernel's programs and the agent share, as typed tables. The interfaces are what the rest
 * of the agent sees, so that its tests can put plain Maps in their place.
 */

import type { MapHandle } from "ebpf-loader-wasm";
import {
  type Address,
  type CidrKey,
  type ConnectionKey,
  type ListeningKey,
  type ListeningState,
  objectMaps,
  type Patience,
  type Pod,
  type PortKey,
  type ProbeKey,
} from "../../bpf/connect.gen.ts";

/**
 * The structs of bpf/mesh.h: `MeshAddress` is four 32-bit words of an IPv6 address as they lie in memory (IPv4 is
 * mapped), `PortKey.port` is in network byte order.
 */
export type {
  Address as MeshAddress,
  CidrKey,
  ConnectionKey,
  ListeningKey,
  ListeningState,
  Patience,
  Pod,
  PortKey,
  ProbeKey,
};

/** What the redirect needs of a hash or trie map. */
export interface Table<K, V> {
  get(key: K): V | undefined;
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
  readonly networks: Table<CidrKey, number>;
  /** Value: the pod. */
  readonly probePorts: Table<ProbeKey, bigint>;
}

/** The tables that say who listens in the pods; counts of sockets. */
export interface ListeningTables {
  /** Kept by the kernel's programs. */
  readonly listening: Table<ListeningKey, number>;
  readonly foundListening: Table<ListeningKey, number>;
  readonly listeningStates: Table<bigint, ListeningState>;
}

/** All maps that the agent touches. */
export interface MeshMaps extends PodTables, ListeningTables {
  readonly listeners: { set(key: bigint, socketFd: number): void; delete(key: bigint): boolean };
  readonly counters: { get(index: number): bigint[] };
  /** What applications told their sockets about silent peers, by connection. */
  readonly patience: Table<ConnectionKey, Patience>;
}

/** Puts the types on the maps of a loaded object. */
export function typedMaps(map: (name: string) => MapHandle): MeshMaps {
  const maps = objectMaps({ map });
  return {
    ...maps,
    excludedPorts: maps.excluded_ports,
    probePorts: maps.probe_ports,
    foundListening: maps.found_listening,
    listeningStates: maps.listening_states,
  };
}
