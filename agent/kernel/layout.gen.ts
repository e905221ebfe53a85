/**
 * Generated from bpf/mesh.h by bpf/build.ts: the constants that the kernel's programs and the agent share.
 * Change mesh.h, then run `bin/run bpf/build.ts`.
 */

/** The bits of a socket's mark that are the mesh's. */
export const MARK_MASK = 0x7f000000;
/** An application's connect, turned around to the agent's listener. */
export const MARK_CAUGHT = 0x6c000000;
/** The agent's transparent socket to the local application. */
export const MARK_INBOUND = 0x6d000000;
/** The agent's connection out of the pod's namespace: leaves normally. */
export const MARK_UPSTREAM = 0x6e000000;
/** The rule `fwmark RULE_MARK/RULE_MASK lookup ROUTE_TABLE` turns a pod's connects. */
export const RULE_MARK = 0x6c000000;
/** Matches MARK_CAUGHT and MARK_INBOUND, not MARK_UPSTREAM. */
export const RULE_MASK = 0x7e000000;
/** After the local table (0), before the main one (32766). */
export const RULE_PRIORITY = 100;
/** Holds one route per family, `local default dev lo src PODIP`. */
export const ROUTE_TABLE = 27973;
/** Source ports of the agent's transparent sockets: 10240 to 32767 and 61000 to */
export const SOURCE_PORT_FIRST = 10240;
/** 65535, apart from those that kernels choose: they seldom meet the client's. */
export const SOURCE_PORT_COUNT = 27064;
/** 192.0.0.8, where the agent's listeners are bound: RFC 7600 section 4.8. */
export const AGENT_IPV4 = 0xc0000008;
/** An agent whose last beat is older counts as dead. */
export const HEARTBEAT_LIMIT_MS = 1000;
/** How long a written flow lets a SYN (and its repetitions) pass. */
export const FLOW_LIFETIME_MS = 10000;
/** Routes and addresses of other interfaces that are known of one pod; with more, none. */
export const NETWORK_SHARE = 64;
/** Prefixes of excluded ports: two annotations of 64 ranges, each at most 30 of them. */
export const PORT_SHARE = 3840;
/** Ports at which kubelet asks one pod. */
export const PROBE_SHARE = 64;
/** Two annotations of 64 blocks. */
export const CIDR_SHARE = 128;
/** Places to listen on that are known of one pod: with more, all its ports are in doubt. */
export const LISTENING_SHARE = 128;

/** New connections are caught; without it the pod is leaving the mesh. */
export const POD_CATCH = 1;
/** With mesh/fail=closed a dead agent means refused, not direct. */
export const POD_FAIL_CLOSED = 2;
/** `excluded_ports` holds something for DIRECTION_OUT. */
export const POD_PORTS_OUT = 4;
/** `excluded_ports` holds something for DIRECTION_IN. */
export const POD_PORTS_IN = 8;
/** `cidrs` holds something. */
export const POD_CIDRS = 16;
/** Only destinations in an included CIDR are caught. */
export const POD_CIDRS_ONLY = 32;
/** With mesh/mtls=strict nobody gets in whom the agent has not judged. */
export const POD_STRICT = 64;
/** `probe_ports` holds something: kubelet asks the pod whether it is well. */
export const POD_PROBED = 256;
/** `networks` holds something: the pod has other interfaces than the mesh's. */
export const POD_NETWORKS = 128;

/** The pod dials. */
export const DIRECTION_OUT = 1;
/** Somebody dials the pod. */
export const DIRECTION_IN = 2;

/** Bits of a port_key before its port. */
export const PORT_PREFIX = 96;
/** Bits of a cidr_key before its address. */
export const CIDR_PREFIX = 96;

/** Caught. */
export const CIDR_INCLUDE = 1;
/** Passed untouched. */
export const CIDR_EXCLUDE = 2;

/** By the interface that has the pod's addresses: the mesh's business. */
export const NETWORK_MESH = 1;
/** By another one: left alone. */
export const NETWORK_OTHER = 2;
/** The pod's own address on another one: left alone, also what is dialled from it. */
export const NETWORK_OWN = 3;

/** What the programs count, in the order of the slots of `counters`. */
export const KERNEL_REASONS = [
  /** A pod's connect was marked. */
  "outbound-caught",
  /** The agent's own connect. */
  "outbound-agent",
  /** A connect to loopback, a link-local or the pod's own address. */
  "outbound-local",
  /** A connect of a pod that is leaving the mesh. */
  "outbound-leaving",
  /** The socket is bound to a device, so it can't be turned around. */
  "outbound-device",
  /** Excluded by mesh/exclude-outbound-ports. */
  "outbound-excluded-port",
  /** Excluded by mesh/exclude-outbound-cidrs or not in mesh/include-outbound-cidrs. */
  "outbound-excluded-cidr",
  /** No listener or a stale heartbeat, with mesh/fail=open. */
  "outbound-dead-direct",
  /** No listener or a stale heartbeat, with mesh/fail=closed. */
  "outbound-dead-refused",
  /** The kernel did not set the mark: direct with mesh/fail=open; the agent's own is refused. */
  "outbound-unmarked",
  /** A marked connect's SYN reached the agent's listener. */
  "turned-caught",
  /** A marked connect's SYN found no listener: the agent died in between. */
  "turned-refused",
  /** A connection to a pod reached the agent's listener. */
  "inbound-caught",
  /** A connection that this node's agent opens, already decided. */
  "inbound-agent",
  /** Loopback, or the pod to itself. */
  "inbound-local",
  /** A connection to a pod that is leaving the mesh. */
  "inbound-leaving",
  /** Excluded by mesh/exclude-inbound-ports. */
  "inbound-excluded-port",
  /** No listener or a stale heartbeat, with mesh/fail=open. */
  "inbound-dead-direct",
  /** No listener or a stale heartbeat, with mesh/fail=closed. */
  "inbound-dead-refused",
  /** The four-tuple of a connection of the agent was noted. */
  "flow-written",
  /** The agent's connection to a pod's application found no source port: refused. */
  "outbound-no-port",
  /** Nobody listens on the port that was dialled: refused, as without a mesh. */
  "inbound-nobody",
  /** The application did not take the agent's connection: who listened is gone, or full. */
  "inbound-gone",
  /** A pod listens on more places than its share: who listens is in doubt. */
  "listening-full",
  /** A connect by another interface than the mesh's. */
  "outbound-other",
  /** A connection by another interface, and not to an address that the mesh knows. */
  "inbound-other",
  /** An application asked for the port of the agent's listeners, which then move. */
  "port-wanted",
  /** A declared probe or hook of kubelet: a socket of the node's own namespace opened it. */
  "inbound-probe",
] as const;

/** One of them. */
export type KernelReason = (typeof KERNEL_REASONS)[number];
