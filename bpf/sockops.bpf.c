// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The agent opens a connection from a pod's namespace: notes its four-tuple after the source port is chosen
// and before the SYN leaves, so that lookup.bpf.c lets it through to a pod of the same node; forgets it when the
// connection begins to end, so that nobody else with the same four-tuple is let through.
// Attached once, to the node's cgroup, as connect.bpf.c.
#include "maps.h"

// An AF_INET6 socket may speak IPv4; what counts is what the packets carry.
static __always_inline struct flow flow_of(struct bpf_sock_ops *ctx) {
  struct flow flow = {
      .client_port = ctx->local_port,
      .server_port = host32(ctx->remote_port),
  };
  if (ctx->family == AF_INET || ctx->remote_ip6[2] == net32(0xffff)) {
    flow.client = mapped_ipv4(read_once(ctx->local_ip4));
    flow.server = mapped_ipv4(read_once(ctx->remote_ip4));
  } else {
    flow.client = context_ipv6(ctx->local_ip6);
    flow.server = context_ipv6(ctx->remote_ip6);
  }
  return flow;
}

static __always_inline void note(struct bpf_sock_ops *ctx) {
  // Only out of an enrolled pod: there connect.bpf.c has just taken the mark from everybody else.
  __u64 cookie = bpf_get_netns_cookie(ctx);
  if (!bpf_map_lookup_elem(&pods, &cookie))
    return;
  struct flow flow = flow_of(ctx);
  __u64 now_ns = bpf_ktime_get_ns();
  bpf_map_update_elem(&flows, &flow, &now_ns, BPF_ANY);
  count(FLOW_WRITTEN);
  bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

// Until then a packet with this four-tuple belongs to this connection: the other end of it is still there.
static __always_inline void forget(struct bpf_sock_ops *ctx) {
  struct flow flow = flow_of(ctx);
  bpf_map_delete_elem(&flows, &flow);
}

SEC("sockops") int follow_agent(struct bpf_sock_ops *ctx) {
  int opens = ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB;
  int ends = ctx->op == BPF_SOCK_OPS_STATE_CB && ctx->args[1] != TCP_ESTABLISHED;
  struct bpf_sock *socket = ctx->sk;
  if ((!opens && !ends) || !socket)
    return 1;

  // Only connections that carry one of the agent's marks.
  __u32 mark = socket->mark & MARK_MASK;
  if (mark != MARK_UPSTREAM && mark != MARK_INBOUND)
    return 1;
  if (opens)
    note(ctx);
  else
    forget(ctx);
  return 1;
}

char _license[] SEC("license") = "GPL";
