// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The words that the kernel side and the agent share: constants, map keys, map values. The TypeScript
// module agent/kernel/layout.gen.ts is generated from this file's types: change them here only.
// May include kernel.h. Must hold no code but the smallest helpers on these types.
#pragma once
#include "kernel.h"

// ---- Constants -------------------------------------------------------------------------------------------
// The mesh owns the top byte of a socket's mark; the application's other 24 bits are kept.
// MARK_CAUGHT and MARK_INBOUND differ in their lowest bit only, so that one rule (value, mask) turns both.
enum mesh_constant {
  MARK_MASK = 0x7f000000,     // The bits of a socket's mark that are the mesh's.
  MARK_CAUGHT = 0x6c000000,   // An application's connect, turned around to the agent's listener.
  MARK_INBOUND = 0x6d000000,  // The agent's transparent socket to the local application.
  MARK_UPSTREAM = 0x6e000000, // The agent's connection out of the pod's namespace: leaves normally.
  RULE_MARK = 0x6c000000, // The rule `fwmark RULE_MARK/RULE_MASK lookup ROUTE_TABLE` turns a pod's connects.
  RULE_MASK = 0x7e000000, // Matches MARK_CAUGHT and MARK_INBOUND, not MARK_UPSTREAM.
  RULE_PRIORITY = 100,    // After the local table (0), before the main one (32766).
  ROUTE_TABLE = 27973,    // Holds one route per family, `local default dev lo src PODIP`.
  SOURCE_PORT_FIRST = 10240, // Source ports of the agent's transparent sockets: 10240 to 32767 and 61000 to
  SOURCE_PORT_COUNT = 27064, // 65535, apart from those that kernels choose: they seldom meet the client's.
  AGENT_IPV4 = 0xc0000008,   // 192.0.0.8, where the agent's listeners are bound: RFC 7600 section 4.8.
  HEARTBEAT_LIMIT_MS = 1000, // An agent whose last beat is older counts as dead.
  FLOW_LIFETIME_MS = 10000,  // How long a written flow lets a SYN (and its repetitions) pass.
  NETWORK_SHARE = 64,    // Routes and addresses of other interfaces that are known of one pod; with more, none.
  PORT_SHARE = 3840, // Prefixes of excluded ports: two annotations of 64 ranges, each at most 30 of them.
  PROBE_SHARE = 64,  // Ports at which kubelet asks one pod.
  CIDR_SHARE = 128,  // Two annotations of 64 blocks.
  LISTENING_SHARE = 128, // Places to listen on that are known of one pod: with more, all its ports are in doubt.
};

// ---- Keys and values -------------------------------------------------------------------------------------
// Pods are named by the cookie of their network namespace: a boot-wide number that is never used again.

// An IPv6 address in network byte order; IPv4 as ::ffff:a.b.c.d.
struct address {
  __u32 word[4];
};

enum pod_flag {
  POD_CATCH = 1,       // New connections are caught; without it the pod is leaving the mesh.
  POD_FAIL_CLOSED = 2, // With mesh/fail=closed a dead agent means refused, not direct.
  POD_PORTS_OUT = 4,   // `excluded_ports` holds something for DIRECTION_OUT.
  POD_PORTS_IN = 8,    // `excluded_ports` holds something for DIRECTION_IN.
  POD_CIDRS = 16,      // `cidrs` holds something.
  POD_CIDRS_ONLY = 32, // Only destinations in an included CIDR are caught.
  POD_STRICT = 64,     // With mesh/mtls=strict nobody gets in whom the agent has not judged.
  POD_PROBED = 256,    // `probe_ports` holds something: kubelet asks the pod whether it is well.
  POD_NETWORKS = 128,  // `networks` holds something: the pod has other interfaces than the mesh's.
};

// Value of `pods`: everything that a decision needs at hand. An address of zeroes = the pod has none.
struct pod {
  __u32 flags;
  __u32 device; // index of the interface that has the pod's addresses; 0 = not one, or unknown: any may be it
  struct address ipv4;
  struct address ipv6;
  __u32 settings;      // what the pod had of the settings that the agent changes, for when it leaves; its own words
  __u32 listener_port; // of the agent's listeners: whoever wants it gets it
};

enum direction {
  DIRECTION_OUT = 1, // The pod dials.
  DIRECTION_IN = 2,  // Somebody dials the pod.
};

// Key of `excluded_ports`, a longest-prefix trie: a range of ports is a few prefixes of the port's 16 bits.
struct port_key {
  __u32 prefix_length; // PORT_PREFIX + the bits of the port that count
  __u32 direction;
  __u64 pod;
  __u16 port; // network byte order
  __u16 reserved[3];
};

// Key of `cidrs` and of `networks`, longest-prefix tries.
struct cidr_key {
  __u32 prefix_length; // CIDR_PREFIX + the bits of the address that count
  __u32 family;        // AF_INET or AF_INET6, or else ::/0 would mean IPv4 too
  __u64 pod;
  struct address address;
};

enum key_prefix {
  PORT_PREFIX = 96, // Bits of a port_key before its port.
  CIDR_PREFIX = 96, // Bits of a cidr_key before its address.
};

enum cidr_verdict {
  CIDR_INCLUDE = 1, // Caught.
  CIDR_EXCLUDE = 2, // Passed untouched.
};

// What the pod's routes say of a destination. Nothing = the mesh's interface.
enum network {
  NETWORK_MESH = 1,  // By the interface that has the pod's addresses: the mesh's business.
  NETWORK_OTHER = 2, // By another one: left alone.
  NETWORK_OWN = 3,   // The pod's own address on another one: left alone, also what is dialled from it.
};

// Key of `probe_ports`: where kubelet's probes and hooks ask a pod.
struct probe_key {
  struct address address;
  __u16 port; // host byte order
  __u16 reserved;
};

// Key of `listening` and `found_listening`: a place that a SYN is for, as the kernel looks listeners up.
struct listening_key {
  __u64 pod;
  struct address address; // zeroes = any of the family
  __u32 device;           // SO_BINDTODEVICE; 0 = any
  __u16 port;             // host byte order
  __u16 family;           // AF_INET or AF_INET6: a socket on [::] may be in both
};

// Value of `listening_states`.
struct listening_state {
  __u32 epoch;   // another one each time the pod is set up: which of `counted_listeners` were counted since
  __u32 keys;    // of the pod in `listening`, about
  __u32 full;    // 1 = somebody may listen who is not in the maps: the pod's ports are in doubt
  __u32 refused; // how often a SYN found nobody
  __u32 stale;   // how often somebody who was taken for listening was not
  __u32 wanted;  // how often an application asked for the port of the agent's listeners
};

// Value of `counted_listeners`.
struct counted {
  __u32 epoch;
  __u32 device;
};

// Key of `flows` and `probes`: one connection, seen from the side that dials.
struct flow {
  struct address client;
  struct address server;
  __u16 client_port; // host byte order, both
  __u16 server_port;
};

// How long an application bears a silent peer, as it told its socket; 0 = it did not say. Value of `patience`.
struct patience {
  __u32 keep_alive; // SO_KEEPALIVE: 1 = probe at all
  __u32 idle_s;     // TCP_KEEPIDLE
  __u32 interval_s; // TCP_KEEPINTVL
  __u32 probes;     // TCP_KEEPCNT
  __u32 user_timeout_ms;
};

// Key of `patience`: an application's connection, from its side.
struct connection_key {
  __u64 pod;
  struct address local;
  struct address remote;
  __u16 local_port; // host byte order, both
  __u16 remote_port;
  __u32 reserved;
};

// The only element of `heartbeat`.
struct heartbeat {
  __u64 beat_ns;   // CLOCK_MONOTONIC of the last beat; 0 = the agent said goodbye
  __u32 agent_pid; // of the initial pid namespace; 0 = unknown: any process may carry the agent's marks
  __u32 reserved;
};

// What happened, one slot of `counters` each. The order is the interface: only ever append.
enum reason {
  OUTBOUND_CAUGHT,        // A pod's connect was marked.
  OUTBOUND_AGENT,         // The agent's own connect.
  OUTBOUND_LOCAL,         // A connect to loopback, a link-local or the pod's own address.
  OUTBOUND_LEAVING,       // A connect of a pod that is leaving the mesh.
  OUTBOUND_DEVICE,        // The socket is bound to a device, so it can't be turned around.
  OUTBOUND_EXCLUDED_PORT, // Excluded by mesh/exclude-outbound-ports.
  OUTBOUND_EXCLUDED_CIDR, // Excluded by mesh/exclude-outbound-cidrs or not in mesh/include-outbound-cidrs.
  OUTBOUND_DEAD_DIRECT,   // No listener or a stale heartbeat, with mesh/fail=open.
  OUTBOUND_DEAD_REFUSED,  // No listener or a stale heartbeat, with mesh/fail=closed.
  OUTBOUND_UNMARKED,      // The kernel did not set the mark: direct with mesh/fail=open; the agent's own is refused.
  TURNED_CAUGHT,          // A marked connect's SYN reached the agent's listener.
  TURNED_REFUSED,         // A marked connect's SYN found no listener: the agent died in between.
  INBOUND_CAUGHT,         // A connection to a pod reached the agent's listener.
  INBOUND_AGENT,          // A connection that this node's agent opens, already decided.
  INBOUND_LOCAL,          // Loopback, or the pod to itself.
  INBOUND_LEAVING,        // A connection to a pod that is leaving the mesh.
  INBOUND_EXCLUDED_PORT,  // Excluded by mesh/exclude-inbound-ports.
  INBOUND_DEAD_DIRECT,    // No listener or a stale heartbeat, with mesh/fail=open.
  INBOUND_DEAD_REFUSED,   // No listener or a stale heartbeat, with mesh/fail=closed.
  FLOW_WRITTEN,           // The four-tuple of a connection of the agent was noted.
  OUTBOUND_NO_PORT,       // The agent's connection to a pod's application found no source port: refused.
  INBOUND_NOBODY,         // Nobody listens on the port that was dialled: refused, as without a mesh.
  INBOUND_GONE,           // The application did not take the agent's connection: who listened is gone, or full.
  LISTENING_FULL,         // A pod listens on more places than its share: who listens is in doubt.
  OUTBOUND_OTHER,         // A connect by another interface than the mesh's.
  INBOUND_OTHER,          // A connection by another interface, and not to an address that the mesh knows.
  PORT_WANTED,            // An application asked for the port of the agent's listeners, which then move.
  INBOUND_PROBE,          // A declared probe or hook of kubelet: a socket of the node's own namespace opened it.
  REASON_COUNT,
};
