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
  MARK_MASK = 0x7f000000,     // the bits of the mark that are the mesh's
  MARK_CAUGHT = 0x6c000000,   // an application's connect, turned around to the agent's listener
  MARK_INBOUND = 0x6d000000,  // the agent's transparent socket to the local application
  MARK_UPSTREAM = 0x6e000000, // the agent's connection out of the pod's namespace: leaves normally
  RULE_MARK = 0x6c000000,     // the rule `fwmark RULE_MARK/RULE_MASK lookup ROUTE_TABLE`
  RULE_MASK = 0x7e000000,
  RULE_PRIORITY = 100,
  ROUTE_TABLE = 27973, // 0x6d45: holds one route, `local default dev lo src PODIP`
  HEARTBEAT_LIMIT_MS = 1000,
  FLOW_LIFETIME_MS = 10000, // how long a written flow lets a SYN (and its repetitions) pass
};

// ---- Keys and values -------------------------------------------------------------------------------------
// Pods are named by the cookie of their network namespace: a boot-wide number that is never used again.

// An IPv6 address in network byte order; IPv4 as ::ffff:a.b.c.d.
struct address {
  __u32 word[4];
};

enum pod_flag {
  POD_CATCH = 1,       // new connections are caught; without it the pod is leaving the mesh
  POD_FAIL_CLOSED = 2, // mesh/fail=closed: a dead agent means refused, not direct
  POD_PORTS_OUT = 4,   // `excluded_ports` holds something for DIRECTION_OUT
  POD_PORTS_IN = 8,    // … for DIRECTION_IN
  POD_CIDRS = 16,      // `cidrs` holds something
  POD_CIDRS_ONLY = 32, // only destinations in an included CIDR are caught
};

// Value of `pods`: everything that a decision needs at hand. An address of zeroes = the pod has none.
struct pod {
  __u32 flags;
  __u32 reserved;
  struct address ipv4;
  struct address ipv6;
};

enum direction { DIRECTION_OUT = 1, DIRECTION_IN = 2 };

// Key of `excluded_ports`, a longest-prefix trie: a range of ports is a few prefixes of the port's 16 bits.
// 32-bit halves of the cookie because the prefix length shifts everything by four bytes.
struct port_key {
  __u32 prefix_length; // 80 + the bits of the port that count
  __u32 pod[2];
  __u16 direction;
  __u16 port; // network byte order
};

// Key of `cidrs`, a longest-prefix trie.
struct cidr_key {
  __u32 prefix_length; // 64 + the bits of the address that count
  __u32 pod[2];
  struct address address;
};

enum cidr_verdict { CIDR_INCLUDE = 1, CIDR_EXCLUDE = 2 };

// Key of `flows`: one connection of the agent, seen from the side that dials.
struct flow {
  struct address client;
  struct address server;
  __u16 client_port; // host byte order, both
  __u16 server_port;
};

// The only element of `heartbeat`.
struct heartbeat {
  __u64 beat_ns; // CLOCK_MONOTONIC of the last beat; 0 = the agent said goodbye
  __u32
      agent_pid; // of the initial pid namespace; 0 = unknown: any process may carry the agent's marks
  __u32 reserved;
};

// What happened, one slot of `counters` each. The order is the interface: only ever append.
enum reason {
  OUTBOUND_CAUGHT,
  OUTBOUND_AGENT,   // the agent's own connect
  OUTBOUND_LOCAL,   // to loopback, link-local or the pod's own address
  OUTBOUND_LEAVING, // the pod is leaving the mesh
  OUTBOUND_DEVICE,  // the socket is bound to a device: it can't be turned around
  OUTBOUND_EXCLUDED_PORT,
  OUTBOUND_EXCLUDED_CIDR,
  OUTBOUND_DEAD_DIRECT,  // no listener or a stale heartbeat, mesh/fail=open
  OUTBOUND_DEAD_REFUSED, // … mesh/fail=closed
  OUTBOUND_UNMARKED,     // the kernel refused to set the mark; treated as a dead agent
  TURNED_CAUGHT,         // a caught connect's SYN reached the listener
  TURNED_REFUSED,        // … found no listener: the agent died in between
  INBOUND_CAUGHT,
  INBOUND_AGENT, // a connection of this node's agent, already decided
  INBOUND_LOCAL, // loopback or the pod to itself
  INBOUND_LEAVING,
  INBOUND_EXCLUDED_PORT,
  INBOUND_DEAD_DIRECT,
  INBOUND_DEAD_REFUSED,
  FLOW_WRITTEN,
  REASON_COUNT,
};
