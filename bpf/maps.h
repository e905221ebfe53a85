// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The maps, pinned by name in the agent's own directory and shared by all programs of one agent.
// Every hook's object declares all of them, so that each can be loaded first; the loader makes them one.
// May include mesh.h. Must hold only maps and the look-ups that every hook needs.
#pragma once
#include "mesh.h"

// Pods of a node: Kubernetes allows 110 by default and a few hundred at most.
#define MAX_PODS 1024

// Enrolled pods, by network-namespace cookie.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_PODS);
  __type(key, __u64);
  __type(value, struct pod);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} pods SEC(".maps");

// The agent's listening socket in each pod. The kernel empties the slot when the agent dies.
struct {
  __uint(type, BPF_MAP_TYPE_SOCKHASH);
  __uint(max_entries, MAX_PODS);
  __type(key, __u64);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} listeners SEC(".maps");

// Ports the pod's owner wants left alone. As all tries, it takes memory for what is in it only, and has room for the
// most that every pod's annotations can ask for: nobody can take the others' share.
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, MAX_PODS * PORT_SHARE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct port_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} excluded_ports SEC(".maps");

// Destinations the pod's owner wants left alone, or alone wants caught.
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, MAX_PODS * CIDR_SHARE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct cidr_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} cidrs SEC(".maps");

// Where the pod's routes lead, of a pod with other interfaces than the mesh's; `enum network`.
struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(max_entries, MAX_PODS * NETWORK_SHARE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct cidr_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} networks SEC(".maps");

// Connections the agent is opening: key to CLOCK_MONOTONIC. 16384 = over 1,600 connects a second for the
// whole FLOW_LIFETIME_MS; one that is pushed out early is caught once more, which is only slower.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct flow);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} flows SEC(".maps");

// Declared ports of probes and hooks, to the pod.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_PODS * 2 * PROBE_SHARE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct probe_key);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} probe_ports SEC(".maps");

// Connections that sockets of the node's own namespace are opening there: key to CLOCK_MONOTONIC. One that is pushed
// out early is judged as a stranger's.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 4096);
  __type(key, struct flow);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} probes SEC(".maps");

// How many sockets listen on each place of enrolled pods, of those that began while the pod was one (sockops.bpf.c).
// Entries of nobody stay until the agent takes them away: a count can't be deleted while it is raised elsewhere.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_PODS * LISTENING_SHARE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct listening_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} listening SEC(".maps");

// How many the agent found besides: they began before. It alone adds; sockops takes away those whose end it sees.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_PODS * LISTENING_SHARE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, struct listening_key);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} found_listening SEC(".maps");

// By pod.
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, MAX_PODS);
  __type(key, __u64);
  __type(value, struct listening_state);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} listening_states SEC(".maps");

// On each socket that is counted in `listening`.
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __s32);
  __type(value, struct counted);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} counted_listeners SEC(".maps");

// On each socket from which the agent connects: it wrote that through its own descriptor, which nobody else has and
// nobody without CAP_BPF can. A mark proves nothing: any process with CAP_NET_RAW sets one. The value is the mark
// that its connect() gets.
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, __s32);
  __type(value, __u32);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} agent_sockets SEC(".maps");

// What applications told their sockets about silent peers (patience.h); a listener's is its connections' too.
struct {
  __uint(type, BPF_MAP_TYPE_SK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
  __type(key, __s32);
  __type(value, struct patience);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} socket_patience SEC(".maps");

// The same by connection, of those that the agent carries. It looks a second after a connection begins and every
// eight from then on, so 16384 = 2,000 connections a second that say something; who is pushed out has not said a word.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 16384);
  __type(key, struct connection_key);
  __type(value, struct patience);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} patience SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct heartbeat);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} heartbeat SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u64);
  __uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");

static __always_inline void count(enum reason reason) {
  __u32 slot = reason;
  __u64 *counter = bpf_map_lookup_elem(&counters, &slot);
  if (counter)
    *counter += 1; // per CPU, and these hooks run with migration disabled
}

static __always_inline struct heartbeat *last_heartbeat(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&heartbeat, &zero);
}

static __always_inline int heart_beats(void) {
  struct heartbeat *last = last_heartbeat();
  return last && bpf_ktime_get_ns() < last->beat_ns + HEARTBEAT_LIMIT_MS * 1000000ULL;
}

static __always_inline int port_excluded(__u64 cookie, enum direction direction, __u16 port) {
  struct port_key key = {
      .prefix_length = PORT_PREFIX + 16,
      .direction = direction,
      .pod = cookie,
      .port = net16(port),
  };
  return bpf_map_lookup_elem(&excluded_ports, &key) != 0;
}

static __always_inline int same_address(const struct address *a, const struct address *b) {
  return a->word[0] == b->word[0] && a->word[1] == b->word[1] && a->word[2] == b->word[2] &&
         a->word[3] == b->word[3];
}

static __always_inline struct address mapped_ipv4(__u32 ipv4) {
  return (struct address){.word = {0, 0, net32(0xffff), ipv4}};
}

static __always_inline int is_mapped_ipv4(const struct address *address) {
  return address->word[0] == 0 && address->word[1] == 0 && address->word[2] == net32(0xffff);
}

// An address field of a context: four words in network byte order.
#define context_ipv6(field)                                                                                  \
  ((struct address){                                                                                         \
      .word = {read_once((field)[0]), read_once((field)[1]), read_once((field)[2]), read_once((field)[3])}})

static __always_inline int is_link_local(const struct address *address) {
  return (host32(address->word[0]) & 0xffc00000) == 0xfe800000;
}

// Addresses that never leave the pod or only mean something on one link: 127.0.0.0/8, 0.0.0.0, ::, ::1, fe80::/10.
static __always_inline int stays_here(const struct address *address) {
  __u32 last = host32(address->word[3]);
  if (is_mapped_ipv4(address))
    return last >> 24 == 127 || last == 0;
  if (address->word[0] == 0 && address->word[1] == 0 && address->word[2] == 0)
    return last <= 1;
  return is_link_local(address);
}
