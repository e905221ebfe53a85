// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The source port of a connection that the agent opens to the local application with the client's address.
// The client's own connection lives in the same namespace, the other way round: (pod:port, client:X). Would
// the kernel choose X for the agent's, whose SYN says client:X to pod:port, that SYN would end in the client's
// connection and reset it. The kernel does not look for that, so this does.
// May include maps.h. Must leave the choice to the kernel when it finds no port.
#pragma once
#include "maps.h"

enum { SOURCE_PORT_TRIES = 32 };

static __always_inline __u16 random_source_port(void) {
  return SOURCE_PORT_FIRST + bpf_get_prandom_u32() % SOURCE_PORT_COUNT;
}

// Whether a packet with this tuple would reach a connection (also one that is only remembered, TIME_WAIT).
static __always_inline int tuple_taken(struct bpf_sock_addr *ctx, struct bpf_sock_tuple *tuple,
                                       __u32 length) {
  struct bpf_sock *found = bpf_skc_lookup_tcp(ctx, tuple, length, BPF_F_CURRENT_NETNS, 0);
  if (!found)
    return 0;
  int taken = found->state != TCP_LISTEN;
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

static __always_inline int take_port_ipv4(struct bpf_sock_addr *ctx, __u32 source, __u16 port) {
  struct bpf_sock_tuple tuple = {};
  tuple.ipv4.saddr = source;
  tuple.ipv4.daddr = ctx->user_ip4;
  tuple.ipv4.sport = net16(port);
  tuple.ipv4.dport = ctx->user_port;
  return !tuple_taken(ctx, &tuple, sizeof(tuple.ipv4)) && bind_ipv4(ctx, source, port);
}

static __always_inline int take_port_ipv6(struct bpf_sock_addr *ctx, const struct address *source,
                                          __u16 port) {
  struct address to = context_ipv6(ctx->user_ip6);
  struct bpf_sock_tuple tuple = {};
  for (int i = 0; i < 4; i++) {
    tuple.ipv6.saddr[i] = source->word[i];
    tuple.ipv6.daddr[i] = to.word[i];
  }
  tuple.ipv6.sport = net16(port);
  tuple.ipv6.dport = ctx->user_port;
  return !tuple_taken(ctx, &tuple, sizeof(tuple.ipv6)) && bind_ipv6(ctx, source, port);
}

static __always_inline void choose_source_port(struct bpf_sock_addr *ctx, int family) {
  struct bpf_sock *socket = ctx->sk;
  // Kept here: a bind that fails takes the socket's address away (inet_bind() of the kernel).
  __u32 source_ipv4 = socket->src_ip4;
  struct address source = context_ipv6(socket->src_ip6);
  int done = 0;
  for (int i = 0; i < SOURCE_PORT_TRIES && !done; i++)
    done = family == AF_INET ? take_port_ipv4(ctx, source_ipv4, random_source_port())
                             : take_port_ipv6(ctx, &source, random_source_port());
  // Without a port the kernel chooses one; the address must be the client's again.
  if (!done && family == AF_INET)
    bind_ipv4(ctx, source_ipv4, 0);
  else if (!done)
    bind_ipv6(ctx, &source, 0);
  // Only now: while binding, two of the agent's sockets must not share a port; an application's listener may.
  __u32 one = 1;
  bpf_setsockopt(ctx, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
}
