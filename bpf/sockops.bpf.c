// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The agent opens a connection from a pod's namespace: notes its four-tuple after the source port is chosen
// and before the SYN leaves, so that lookup.bpf.c lets it through to a pod of the same node.
// Attached once, to the node's cgroup, as connect.bpf.c.
#include "maps.h"

SEC("sockops") int note_connect(struct bpf_sock_ops *ctx) {
  // 1. Only connects that carry one of the agent's marks.
  if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
    return 1;
  struct bpf_sock *socket = ctx->sk;
  if (!socket)
    return 1;
  __u32 mark = socket->mark & MARK_MASK;
  if (mark != MARK_UPSTREAM && mark != MARK_INBOUND)
    return 1;

  // 2. Only out of an enrolled pod: there connect.bpf.c has just taken the mark from everybody else.
  __u64 cookie = bpf_get_netns_cookie(ctx);
  if (!bpf_map_lookup_elem(&pods, &cookie))
    return 1;

  // 3. Note it. An AF_INET6 socket may speak IPv4; what counts is what the packets will carry.
  struct flow key = {
      .client_port = ctx->local_port,
      .server_port = host32(ctx->remote_port),
  };
  if (ctx->family == AF_INET || ctx->remote_ip6[2] == net32(0xffff)) {
    key.client = mapped_ipv4(read_once(ctx->local_ip4));
    key.server = mapped_ipv4(read_once(ctx->remote_ip4));
  } else {
    key.client = context_ipv6(ctx->local_ip6);
    key.server = context_ipv6(ctx->remote_ip6);
  }
  __u64 now_ns = bpf_ktime_get_ns();
  bpf_map_update_elem(&flows, &key, &now_ns, BPF_ANY);
  count(FLOW_WRITTEN);
  return 1;
}

char _license[] SEC("license") = "GPL";
