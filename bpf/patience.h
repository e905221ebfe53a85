// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// How long an application bears a silent peer: what its socket was told, put where the agent finds it once there is
// a connection that the agent carries. May include maps.h. Must not change what the application or its kernel sees.
#pragma once
#include "maps.h"

static __always_inline int carries_ipv4(struct bpf_sock *socket) {
  if (read_once(socket->family) == AF_INET)
    return 1;
  struct address remote = context_ipv6(socket->dst_ip6);
  return is_mapped_ipv4(&remote);
}

// The application's end of a connection to the agent, and how it was told to bear the agent's silence.
static __always_inline void tell_agent(struct bpf_sock *socket, __u64 pod, const struct patience *told) {
  if (!bpf_map_lookup_elem(&pods, &pod))
    return;
  struct connection_key key = {
      .pod = pod,
      .local_port = (__u16)read_once(socket->src_port),
      .remote_port = host16(*(const volatile __u16 *)&socket->dst_port),
  };
  if (carries_ipv4(socket)) {
    key.local = mapped_ipv4(read_once(socket->src_ip4));
    key.remote = mapped_ipv4(read_once(socket->dst_ip4));
  } else {
    key.local = context_ipv6(socket->src_ip6);
    key.remote = context_ipv6(socket->dst_ip6);
  }
  bpf_map_update_elem(&patience, &key, told, BPF_ANY);
}

// A connection begins: what its socket was told before, or its listener.
static __always_inline void tell_what_is_known(struct bpf_sock_ops *ctx, struct bpf_sock *socket) {
  struct patience *told = bpf_sk_storage_get(&socket_patience, socket, 0, 0);
  if (told)
    tell_agent(socket, bpf_get_netns_cookie(ctx), told);
}
