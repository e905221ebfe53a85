/**
 * Generated from connect.bpf.o by bpf-types: the types of its maps, variables and programs.
 * Change the C sources, rebuild the object, then run `npm run gen`.
 */

import type {
  ArrayMap,
  Codec,
  HashMap,
  MapHandle,
  PerCpuArrayMap,
  Program,
  SocketMap,
} from "ebpf-loader-wasm";
import {
  array,
  arrayMap,
  hashMap,
  perCpuArrayMap,
  prefixMap,
  socketMap,
  u32,
  u64,
} from "ebpf-loader-wasm";

const Address_word = array(u32, 4);
/** `struct address`, 16 bytes. */
export interface Address {
  readonly word: readonly number[];
}

/** Layout of `struct address`. */
export const AddressCodec: Codec<Address> = {
  size: 16,
  encode(value, view, at) {
    Address_word.encode(value.word, view, at);
  },
  decode: (view, at) => ({
    word: [view.getUint32(at, true), view.getUint32(at + 4, true), view.getUint32(at + 8, true), view.getUint32(at + 12, true)],
  }),
};

/** `struct pod`, 48 bytes. */
export interface Pod {
  readonly flags: number;
  readonly device: number;
  readonly ipv4: Address;
  readonly ipv6: Address;
  readonly settings: number;
  readonly listenerPort: number;
}

/** Layout of `struct pod`. */
export const PodCodec: Codec<Pod> = {
  size: 48,
  encode(value, view, at) {
    view.setUint32(at, value.flags, true);
    view.setUint32(at + 4, value.device, true);
    AddressCodec.encode(value.ipv4, view, at + 8);
    AddressCodec.encode(value.ipv6, view, at + 24);
    view.setUint32(at + 40, value.settings, true);
    view.setUint32(at + 44, value.listenerPort, true);
  },
  decode: (view, at) => ({
    flags: view.getUint32(at, true),
    device: view.getUint32(at + 4, true),
    ipv4: AddressCodec.decode(view, at + 8),
    ipv6: AddressCodec.decode(view, at + 24),
    settings: view.getUint32(at + 40, true),
    listenerPort: view.getUint32(at + 44, true),
  }),
};

/** `struct port_key`, 24 bytes. */
export interface PortKey {
  readonly prefixLength: number;
  readonly direction: number;
  readonly pod: bigint;
  readonly port: number;
}

/** Layout of `struct port_key`. */
export const PortKeyCodec: Codec<PortKey> = {
  size: 24,
  encode(value, view, at) {
    view.setUint32(at + 18, 0, true);
    view.setUint16(at + 22, 0, true);
    view.setUint32(at, value.prefixLength, true);
    view.setUint32(at + 4, value.direction, true);
    view.setBigUint64(at + 8, value.pod, true);
    view.setUint16(at + 16, value.port, true);
  },
  decode: (view, at) => ({
    prefixLength: view.getUint32(at, true),
    direction: view.getUint32(at + 4, true),
    pod: view.getBigUint64(at + 8, true),
    port: view.getUint16(at + 16, true),
  }),
};

/** `struct cidr_key`, 32 bytes. */
export interface CidrKey {
  readonly prefixLength: number;
  readonly family: number;
  readonly pod: bigint;
  readonly address: Address;
}

/** Layout of `struct cidr_key`. */
export const CidrKeyCodec: Codec<CidrKey> = {
  size: 32,
  encode(value, view, at) {
    view.setUint32(at, value.prefixLength, true);
    view.setUint32(at + 4, value.family, true);
    view.setBigUint64(at + 8, value.pod, true);
    AddressCodec.encode(value.address, view, at + 16);
  },
  decode: (view, at) => ({
    prefixLength: view.getUint32(at, true),
    family: view.getUint32(at + 4, true),
    pod: view.getBigUint64(at + 8, true),
    address: AddressCodec.decode(view, at + 16),
  }),
};

/** `struct flow`, 36 bytes. */
export interface Flow {
  readonly client: Address;
  readonly server: Address;
  readonly clientPort: number;
  readonly serverPort: number;
}

/** Layout of `struct flow`. */
export const FlowCodec: Codec<Flow> = {
  size: 36,
  encode(value, view, at) {
    AddressCodec.encode(value.client, view, at);
    AddressCodec.encode(value.server, view, at + 16);
    view.setUint16(at + 32, value.clientPort, true);
    view.setUint16(at + 34, value.serverPort, true);
  },
  decode: (view, at) => ({
    client: AddressCodec.decode(view, at),
    server: AddressCodec.decode(view, at + 16),
    clientPort: view.getUint16(at + 32, true),
    serverPort: view.getUint16(at + 34, true),
  }),
};

/** `struct probe_key`, 20 bytes. */
export interface ProbeKey {
  readonly address: Address;
  readonly port: number;
}

/** Layout of `struct probe_key`. */
export const ProbeKeyCodec: Codec<ProbeKey> = {
  size: 20,
  encode(value, view, at) {
    view.setUint16(at + 18, 0, true);
    AddressCodec.encode(value.address, view, at);
    view.setUint16(at + 16, value.port, true);
  },
  decode: (view, at) => ({
    address: AddressCodec.decode(view, at),
    port: view.getUint16(at + 16, true),
  }),
};

/** `struct listening_key`, 32 bytes. */
export interface ListeningKey {
  readonly pod: bigint;
  readonly address: Address;
  readonly device: number;
  readonly port: number;
  readonly family: number;
}

/** Layout of `struct listening_key`. */
export const ListeningKeyCodec: Codec<ListeningKey> = {
  size: 32,
  encode(value, view, at) {
    view.setBigUint64(at, value.pod, true);
    AddressCodec.encode(value.address, view, at + 8);
    view.setUint32(at + 24, value.device, true);
    view.setUint16(at + 28, value.port, true);
    view.setUint16(at + 30, value.family, true);
  },
  decode: (view, at) => ({
    pod: view.getBigUint64(at, true),
    address: AddressCodec.decode(view, at + 8),
    device: view.getUint32(at + 24, true),
    port: view.getUint16(at + 28, true),
    family: view.getUint16(at + 30, true),
  }),
};

/** `struct listening_state`, 24 bytes. */
export interface ListeningState {
  readonly epoch: number;
  readonly keys: number;
  readonly full: number;
  readonly refused: number;
  readonly stale: number;
  readonly wanted: number;
}

/** Layout of `struct listening_state`. */
export const ListeningStateCodec: Codec<ListeningState> = {
  size: 24,
  encode(value, view, at) {
    view.setUint32(at, value.epoch, true);
    view.setUint32(at + 4, value.keys, true);
    view.setUint32(at + 8, value.full, true);
    view.setUint32(at + 12, value.refused, true);
    view.setUint32(at + 16, value.stale, true);
    view.setUint32(at + 20, value.wanted, true);
  },
  decode: (view, at) => ({
    epoch: view.getUint32(at, true),
    keys: view.getUint32(at + 4, true),
    full: view.getUint32(at + 8, true),
    refused: view.getUint32(at + 12, true),
    stale: view.getUint32(at + 16, true),
    wanted: view.getUint32(at + 20, true),
  }),
};

/** `struct connection_key`, 48 bytes. */
export interface ConnectionKey {
  readonly pod: bigint;
  readonly local: Address;
  readonly remote: Address;
  readonly localPort: number;
  readonly remotePort: number;
}

/** Layout of `struct connection_key`. */
export const ConnectionKeyCodec: Codec<ConnectionKey> = {
  size: 48,
  encode(value, view, at) {
    view.setUint32(at + 44, 0, true);
    view.setBigUint64(at, value.pod, true);
    AddressCodec.encode(value.local, view, at + 8);
    AddressCodec.encode(value.remote, view, at + 24);
    view.setUint16(at + 40, value.localPort, true);
    view.setUint16(at + 42, value.remotePort, true);
  },
  decode: (view, at) => ({
    pod: view.getBigUint64(at, true),
    local: AddressCodec.decode(view, at + 8),
    remote: AddressCodec.decode(view, at + 24),
    localPort: view.getUint16(at + 40, true),
    remotePort: view.getUint16(at + 42, true),
  }),
};

/** `struct patience`, 20 bytes. */
export interface Patience {
  readonly keepAlive: number;
  readonly idleS: number;
  readonly intervalS: number;
  readonly probes: number;
  readonly userTimeoutMs: number;
}

/** Layout of `struct patience`. */
export const PatienceCodec: Codec<Patience> = {
  size: 20,
  encode(value, view, at) {
    view.setUint32(at, value.keepAlive, true);
    view.setUint32(at + 4, value.idleS, true);
    view.setUint32(at + 8, value.intervalS, true);
    view.setUint32(at + 12, value.probes, true);
    view.setUint32(at + 16, value.userTimeoutMs, true);
  },
  decode: (view, at) => ({
    keepAlive: view.getUint32(at, true),
    idleS: view.getUint32(at + 4, true),
    intervalS: view.getUint32(at + 8, true),
    probes: view.getUint32(at + 12, true),
    userTimeoutMs: view.getUint32(at + 16, true),
  }),
};

/** `struct heartbeat`, 16 bytes. */
export interface Heartbeat {
  readonly beatNs: bigint;
  readonly agentPid: number;
}

/** Layout of `struct heartbeat`. */
export const HeartbeatCodec: Codec<Heartbeat> = {
  size: 16,
  encode(value, view, at) {
    view.setUint32(at + 12, 0, true);
    view.setBigUint64(at, value.beatNs, true);
    view.setUint32(at + 8, value.agentPid, true);
  },
  decode: (view, at) => ({
    beatNs: view.getBigUint64(at, true),
    agentPid: view.getUint32(at + 8, true),
  }),
};

/** `.rodata`, 4 bytes. */
export interface RodataSection {
  readonly hasSetRetval: number;
}

/** Layout of `.rodata`. */
export const RodataSectionCodec: Codec<RodataSection> = {
  size: 4,
  encode(value, view, at) {
    view.setUint32(at, value.hasSetRetval, true);
  },
  decode: (view, at) => ({
    hasSetRetval: view.getUint32(at, true),
  }),
};

/** The object's maps, each with its types. */
export interface ObjectMaps {
  readonly pods: HashMap<bigint, Pod>;
  readonly listeners: SocketMap<bigint>;
  readonly excluded_ports: HashMap<PortKey, number>;
  readonly cidrs: HashMap<CidrKey, number>;
  readonly networks: HashMap<CidrKey, number>;
  readonly flows: HashMap<Flow, bigint>;
  readonly probe_ports: HashMap<ProbeKey, bigint>;
  readonly probes: HashMap<Flow, bigint>;
  readonly listening: HashMap<ListeningKey, number>;
  readonly found_listening: HashMap<ListeningKey, number>;
  readonly listening_states: HashMap<bigint, ListeningState>;
  readonly counted_listeners: MapHandle;
  readonly agent_sockets: MapHandle;
  readonly socket_patience: MapHandle;
  readonly patience: HashMap<ConnectionKey, Patience>;
  readonly heartbeat: ArrayMap<Heartbeat>;
  readonly counters: PerCpuArrayMap<bigint>;
  readonly ".rodata": ArrayMap<RodataSection>;
}

/** Puts the types on the maps of a loaded object. Throws `TypeError` when a map is laid out otherwise. */
export function objectMaps(loaded: { map(name: string): MapHandle }): ObjectMaps {
  return {
    pods: hashMap(loaded.map("pods"), u64, PodCodec),
    listeners: socketMap(loaded.map("listeners"), u64),
    excluded_ports: prefixMap(loaded.map("excluded_ports"), PortKeyCodec, u32),
    cidrs: prefixMap(loaded.map("cidrs"), CidrKeyCodec, u32),
    networks: prefixMap(loaded.map("networks"), CidrKeyCodec, u32),
    flows: hashMap(loaded.map("flows"), FlowCodec, u64),
    probe_ports: hashMap(loaded.map("probe_ports"), ProbeKeyCodec, u64),
    probes: hashMap(loaded.map("probes"), FlowCodec, u64),
    listening: hashMap(loaded.map("listening"), ListeningKeyCodec, u32),
    found_listening: hashMap(loaded.map("found_listening"), ListeningKeyCodec, u32),
    listening_states: hashMap(loaded.map("listening_states"), u64, ListeningStateCodec),
    counted_listeners: loaded.map("counted_listeners"),
    agent_sockets: loaded.map("agent_sockets"),
    socket_patience: loaded.map("socket_patience"),
    patience: hashMap(loaded.map("patience"), ConnectionKeyCodec, PatienceCodec),
    heartbeat: arrayMap(loaded.map("heartbeat"), HeartbeatCodec),
    counters: perCpuArrayMap(loaded.map("counters"), u64),
    ".rodata": arrayMap(loaded.map(".rodata"), RodataSectionCodec),
  };
}

/** The programs that load() loads without being asked. */
export interface ObjectPrograms {
  /** `cgroup/connect4` */
  readonly connect4: Program;
  /** `cgroup/connect6` */
  readonly connect6: Program;
}

/** The programs of a loaded object by name. */
export function objectPrograms(loaded: { program(name: string): Program }): ObjectPrograms {
  return {
    connect4: loaded.program("connect4"),
    connect6: loaded.program("connect6"),
  };
}

/** What `LoadOptions.variables` may set. */
export type ObjectVariables = {
  /** .rodata, 4 bytes */
  readonly has_set_retval?: number;
};
