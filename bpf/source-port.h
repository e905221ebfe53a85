// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The source port of a connection that the agent opens to the local application with the client's address.
// The client's own connection lives in the same namespace, the other way round: (pod:port, client:X). Would
// the kernel choose X for the agent's, whose SYN says client:X to pod:port, that SYN would end in the client's
// connection and reset it. The kernel does not look for that, so this does.
// May include maps.h. Must find a port also when a minute's connections (TIME_WAIT) fill the agent's range.
#pragma once
#include "maps.h"

// In this order. A verifier follows each of them: no more than it takes.
enum source_port_tries {
  FREE_TRIES = 32,    // A port of the agent's range that no connection has, also none that is only remembered.
  WAITING_TRIES = 32, // One whose last connection the application closed first: TIME_WAIT lets the next one in. With half
                      // of the range in the TIME_WAIT of agents that closed first, 16 found none once in 100,000 times.
  KERNEL_TRIES = 32,  // A free one of the kernels' range: the client's next connection may meet it.
  SOURCE_PORT_TRIES = FREE_TRIES + WAITING_TRIES + KERNEL_TRIES,
};

enum { KERNEL_PORTS_FIRST = 32768, KERNEL_PORTS_COUNT = 28232 };

// The agent's range lies on both sides of the kernels'.
static __always_inline __u16 random_source_port(int attempt) {
  __u32 random = bpf_get_prandom_u32();
  if (attempt >= FREE_TRIES + WAITING_TRIES)
    return KERNEL_PORTS_FIRST + random % KERNEL_PORTS_COUNT;
  __u32 port = SOURCE_PORT_FIRST + random % SOURCE_PORT_COUNT;
  return port < KERNEL_PORTS_FIRST ? port : port + KERNEL_PORTS_COUNT;
}

// Whether a packet with this tuple would reach a connection.
static __always_inline int tuple_taken(struct bpf_sock_addr *ctx, struct bpf_sock_tuple *tuple, __u32 length,
                                       int attempt) {
  struct bpf_sock *found = bpf_skc_lookup_tcp(ctx, tuple, length, BPF_F_CURRENT_NETNS, 0);
  if (!found)
    return 0;
  int waits = attempt >= FREE_TRIES && attempt < FREE_TRIES + WAITING_TRIES && found->state == TCP_TIME_WAIT;
  int taken = found->state != TCP_LISTEN && !waits;
  bpf_sk_release(found);
  return taken;
}

static __always_inline int bind_ipv4(struct bpf_sock_addr *ctx, __u32 source, __u16 port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = net16(port), .sin_addr = source};
  return bpf_bind(ctx, &address, sizeof(address)) == 0;
}

static __always_inline int bind_ipv6(struct bpf_sock_addr *ctx, const struct address *source, __u16 port) {
  struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = net16(port)};
  for (int i = 0; i < 4; i++)
    address.sin6_addr[i] = source->word[i];
  return bpf_bind(ctx, &address, sizeof(address)) == 0;
}

static __always_inline int take_port_ipv4(struct bpf_sock_addr *ctx, __u32 source, int attempt) {
  __u16 port = random_source_port(attempt);
  struct bpf_sock_tuple tuple = {};
  tuple.ipv4.saddr = source;
  tuple.ipv4.daddr = ctx->user_ip4;
  tuple.ipv4.sport = net16(port);
  tuple.ipv4.dport = ctx->user_port;
  return !tuple_taken(ctx, &tuple, sizeof(tuple.ipv4), attempt) && bind_ipv4(ctx, source, port);
}

static __always_inline int take_port_ipv6(struct bpf_sock_addr *ctx, const struct address *source,
                                          int attempt) {
  __u16 port = random_source_port(attempt);
  struct address to = context_ipv6(ctx->user_ip6);
  struct bpf_sock_tuple tuple = {};
  for (int i = 0; i < 4; i++) {
    tuple.ipv6.saddr[i] = source->word[i];
    tuple.ipv6.daddr[i] = to.word[i];
  }
  tuple.ipv6.sport = net16(port);
  tuple.ipv6.dport = ctx->user_port;
  return !tuple_taken(ctx, &tuple, sizeof(tuple.ipv6), attempt) && bind_ipv6(ctx, source, port);
}

// Whether there was one; else the connection must not begin.
static __always_inline int choose_source_port(struct bpf_sock_addr *ctx, int family) {
  struct bpf_sock *socket = ctx->sk;
  // Kept here: a bind that fails takes the socket's address away (inet_bind() of the kernel).
  __u32 source_ipv4 = socket->src_ip4;
  struct address source = context_ipv6(socket->src_ip6);
  int done = 0;
  for (int i = 0; i < SOURCE_PORT_TRIES && !done; i++)
    done = family == AF_INET ? take_port_ipv4(ctx, source_ipv4, i) : take_port_ipv6(ctx, &source, i);
  // Only now: while binding, two of the agent's sockets must not share a port; an application's listener may.
  __u32 one = 1;
  bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  return done;
}
