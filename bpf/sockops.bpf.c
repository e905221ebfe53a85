// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The agent opens a connection from a pod's namespace: notes its four-tuple after the source port is chosen
// and before the SYN leaves, so that lookup.bpf.c lets it through to a pod of the same node; forgets it when the
// connection begins to end, so that nobody else with the same four-tuple is let through. Follows who listens
// (listening.h), and how long applications bear silent peers (patience.h).
// Attached once, to the node's cgroup, as connect.bpf.c.
#include "listening.h"
#include "patience.h"

// Set before loading: the cookie of the node's own network namespace, where kubelet is.
const volatile __u64 node_cookie = 0;

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
  // Only out of an enrolled pod: elsewhere nobody judged it.
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

// What the agent opens and ends.
static __always_inline void follow_connection(struct bpf_sock_ops *ctx, __u32 mark) {
  if (ctx->op == BPF_SOCK_OPS_TCP_CONNECT_CB) {
    note(ctx);
    return;
  }
  if (ctx->args[1] == TCP_ESTABLISHED)
    return;
  if (mark == MARK_INBOUND && ctx->args[0] == TCP_SYN_SENT)
    nobody_served(ctx);
  forget(ctx);
}

// A socket of the node's own namespace. Kubelet is known by it, never by an address: what a NodePort or masquerading
// brings has the node's address too, and no socket there.
static __always_inline void follow_node(struct bpf_sock_ops *ctx) {
  struct flow flow = flow_of(ctx);
  if (ctx->op == BPF_SOCK_OPS_STATE_CB) {
    if (ctx->args[1] != TCP_ESTABLISHED)
      bpf_map_delete_elem(&probes, &flow);
    return;
  }
  if (ctx->op != BPF_SOCK_OPS_TCP_CONNECT_CB)
    return;
  struct probe_key asked = {.address = flow.server, .port = flow.server_port};
  if (!bpf_map_lookup_elem(&probe_ports, &asked))
    return;
  __u64 now_ns = bpf_ktime_get_ns();
  bpf_map_update_elem(&probes, &flow, &now_ns, BPF_ANY);
  bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

static __always_inline int follow(struct bpf_sock_ops *ctx, int has_types) {
  int op = ctx->op;
  if (op != BPF_SOCK_OPS_TCP_CONNECT_CB && op != BPF_SOCK_OPS_STATE_CB &&
      op != BPF_SOCK_OPS_TCP_LISTEN_CB && op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
    return 1;
  struct bpf_sock *socket = ctx->sk;
  if (!socket)
    return 1;

  if (op == BPF_SOCK_OPS_TCP_LISTEN_CB) {
    listener_begins(ctx, socket, has_types);
    return 1;
  }
  if (op == BPF_SOCK_OPS_STATE_CB && ctx->args[0] == TCP_LISTEN) {
    listener_ends(ctx, socket, has_types);
    return 1;
  }

  if (bpf_get_netns_cookie(ctx) == node_cookie) {
    follow_node(ctx);
    return 1;
  }

  // Only connections that carry one of the mesh's marks.
  __u32 mark = socket->mark & MARK_MASK;
  if (mark == MARK_CAUGHT && op == BPF_SOCK_OPS_TCP_CONNECT_CB)
    tell_what_is_known(ctx, socket);
  if (mark != MARK_UPSTREAM && mark != MARK_INBOUND)
    return 1;
  if (op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB) {
    if (mark == MARK_INBOUND)
      tell_what_is_known(ctx, socket);
    // The application's end of one: it took the listener's wish over, and nobody wants to know.
    bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags & ~BPF_SOCK_OPS_STATE_CB_FLAG);
    return 1;
  }
  if (bpf_sk_storage_get(&agent_sockets, socket, 0, 0))
    follow_connection(ctx, mark);
  return 1;
}

SEC("sockops") int follow_agent(struct bpf_sock_ops *ctx) {
  return follow(ctx, 1);
}

// For kernels built without CONFIG_DEBUG_INFO_BTF.
SEC("?sockops") int follow_agent_untyped(struct bpf_sock_ops *ctx) {
  return follow(ctx, 0);
}

char _license[] SEC("license") = "GPL";
