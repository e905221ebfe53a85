// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// A TCP segment in an enrolled pod's network namespace for which no connection exists: hands SYNs to the
// agent's listener in that namespace. Two kinds come by: connects of the pod that its rule turned around on
// `lo` ("turned"), and connections from elsewhere to the pod ("inbound").
// Attached to each pod's namespace, one instance each: the context does not say which namespace it is, and
// for two enrolled pods on one node the addresses don't either.
#include "maps.h"

// Set before loading: the cookie of the namespace this instance is attached to.
const volatile __u64 pod_cookie = 0;

static __always_inline int pass(enum reason why) {
  count(why);
  return SK_PASS;
}

// For TCP, dropping in this hook means "no such listener": the peer gets RST at once.
static __always_inline int refuse(enum reason why) {
  count(why);
  return SK_DROP;
}

static __always_inline struct address local_address(struct bpf_sk_lookup *ctx) {
  return ctx->family == AF_INET ? mapped_ipv4(read_once(ctx->local_ip4)) : context_ipv6(ctx->local_ip6);
}

static __always_inline struct address remote_address(struct bpf_sk_lookup *ctx) {
  return ctx->family == AF_INET ? mapped_ipv4(read_once(ctx->remote_ip4)) : context_ipv6(ctx->remote_ip6);
}

static __always_inline struct flow flow_of(struct bpf_sk_lookup *ctx, const struct address *local,
                                           const struct address *remote) {
  return (struct flow){
      .client = *remote,
      .server = *local,
      .client_port = host16(ctx->remote_port),
      .server_port = ctx->local_port,
  };
}

// Whether kubelet is opening this very connection (sockops.bpf.c wrote it before the SYN left).
static __always_inline int opened_by_kubelet(struct bpf_sk_lookup *ctx, const struct address *local,
                                             const struct address *remote) {
  struct flow key = flow_of(ctx, local, remote);
  __u64 *written_ns = bpf_map_lookup_elem(&probes, &key);
  return written_ns && bpf_ktime_get_ns() < *written_ns + FLOW_LIFETIME_MS * 1000000ULL;
}

// The same of the agent.
static __always_inline int opened_by_agent(struct bpf_sk_lookup *ctx, const struct address *local,
                                           const struct address *remote) {
  struct flow key = flow_of(ctx, local, remote);
  __u64 *written_ns = bpf_map_lookup_elem(&flows, &key);
  // An old entry could let in a stranger that happens to have the same addresses and ports.
  return written_ns && bpf_ktime_get_ns() < *written_ns + FLOW_LIFETIME_MS * 1000000ULL;
}

// 1 = handed over, 0 = nobody there.
static __always_inline int hand_to_agent(struct bpf_sk_lookup *ctx) {
  __u64 cookie = pod_cookie;
  struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &cookie);
  if (!listener)
    return 0;
  long failed = bpf_sk_assign(ctx, listener, 0);
  bpf_sk_release(listener);
  return !failed;
}

static __always_inline int listens_at(const struct listening_key *key) {
  __u32 *counted = bpf_map_lookup_elem(&listening, key);
  if (counted && *counted > 0)
    return 1;
  return bpf_map_lookup_elem(&found_listening, key) != 0;
}

// Whether an application of the pod would get this SYN, or that can't be told: as the kernel would look for it now.
static __always_inline int may_be_served(struct bpf_sk_lookup *ctx, const struct address *local) {
  __u64 cookie = pod_cookie;
  struct listening_state *state = bpf_map_lookup_elem(&listening_states, &cookie);
  if (!state || state->full)
    return 1;
  struct listening_key key = {.pod = cookie, .port = ctx->local_port, .family = ctx->family};
  if (listens_at(&key))
    return 1;
  key.device = ctx->ingress_ifindex;
  if (listens_at(&key))
    return 1;
  key.address = *local;
  if (listens_at(&key))
    return 1;
  key.device = 0;
  if (listens_at(&key))
    return 1;
  __sync_fetch_and_add(&state->refused, 1);
  return 0;
}

// The pod's own connect, on `lo`, for an address that is not here. It must never fall through: a wildcard
// listener of the application would answer in the destination's place.
static __always_inline int turned(struct bpf_sk_lookup *ctx) {
  return hand_to_agent(ctx) ? pass(TURNED_CAUGHT) : refuse(TURNED_REFUSED);
}

// Another interface, and not to an address that the mesh knows. Whatever comes by the mesh's own interface, and to
// the pod's addresses by any, is judged.
static __always_inline int comes_otherwise(struct bpf_sk_lookup *ctx, const struct pod *pod,
                                           const struct address *local) {
  if (pod->device == 0 || ctx->ingress_ifindex == pod->device)
    return 0;
  return !same_address(local, &pod->ipv4) && !same_address(local, &pod->ipv6);
}

static __always_inline int agent_is_there(void) {
  __u64 cookie = pod_cookie;
  struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &cookie);
  if (!listener)
    return 0;
  bpf_sk_release(listener);
  return heart_beats();
}

// Link-local talk, which the agent can't carry: a pod that anybody may reach is reached directly. A strict one has no
// neighbours, and a closed one none while no agent is there.
static __always_inline int neighbour(const struct pod *pod) {
  if (pod->flags & POD_CATCH && pod->flags & POD_FAIL_CLOSED && !agent_is_there())
    return refuse(INBOUND_DEAD_REFUSED);
  return pass(INBOUND_LOCAL);
}

static __always_inline int inbound(struct bpf_sk_lookup *ctx, const struct pod *pod) {
  // 4. What the pod says to itself. Only what comes by `lo` is local for its address.
  struct address local = local_address(ctx), remote = remote_address(ctx);
  if (same_address(&local, &remote))
    return pass(INBOUND_LOCAL);
  if (comes_otherwise(ctx, pod, &local))
    return pass(INBOUND_OTHER);
  if (is_link_local(&local) && !(pod->flags & POD_STRICT))
    return neighbour(pod);

  // 5. The agent's own connection, to this pod: decided before it was opened.
  if (opened_by_agent(ctx, &local, &remote))
    return pass(INBOUND_AGENT);
  if (pod->flags & POD_PROBED && opened_by_kubelet(ctx, &local, &remote))
    return pass(INBOUND_PROBE);

  // 6. A pod that leaves the mesh is served directly, and so are the ports its owner excluded.
  if (!(pod->flags & POD_CATCH))
    return pass(INBOUND_LEAVING);
  if (pod->flags & POD_PORTS_IN && port_excluded(pod_cookie, DIRECTION_IN, ctx->local_port))
    return pass(INBOUND_EXCLUDED_PORT);

  // 7. Nobody is there to be protected or served: refused as the kernel would. Never a way past the agent.
  if (!may_be_served(ctx, &local))
    return refuse(INBOUND_NOBODY);

  // 8. To the agent; a dead one means what the pod's owner chose.
  if (heart_beats() && hand_to_agent(ctx))
    return pass(INBOUND_CAUGHT);
  if (pod->flags & POD_FAIL_CLOSED)
    return refuse(INBOUND_DEAD_REFUSED);
  return pass(INBOUND_DEAD_DIRECT);
}

SEC("sk_lookup") int catch_syn(struct bpf_sk_lookup *ctx) {
  // 1. Only TCP of an enrolled pod. Without an interface it is no packet but a program's question (source-port.h).
  if (ctx->protocol != IPPROTO_TCP || ctx->ingress_ifindex == 0)
    return SK_PASS;
  __u64 cookie = pod_cookie;
  struct pod *pod = bpf_map_lookup_elem(&pods, &cookie);
  if (!pod)
    return SK_PASS;

  // 2. For locally routed packets the interface is the one that holds the destination: `lo` holds only
  //    loopback addresses and, through the mesh's route, everything that is not in this namespace.
  if (ctx->ingress_ifindex != LOOPBACK_IFINDEX)
    return inbound(ctx, pod);

  // 3. Loopback is the pod's own affair.
  struct address local = local_address(ctx);
  if (stays_here(&local))
    return pass(INBOUND_LOCAL);
  return turned(ctx);
}

char _license[] SEC("license") = "GPL";
