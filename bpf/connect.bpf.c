// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// connect() of an enrolled pod: marks the socket, so that the pod's one rule turns its SYN around on `lo`,
// where lookup.bpf.c hands it to the agent. Nothing is rewritten: the application sees what it dialled.
// Attached once, to the node's cgroup (a child cgroup in the simulator and in tests).
#include "maps.h"
#include "source-port.h"

// Set before loading: whether the kernel has bpf_set_retval (5.18). Without it a refusal reads EPERM.
const volatile __u32 has_set_retval = 1;

enum verdict { REFUSE = 0, PROCEED = 1 };

static __always_inline int direct(enum reason why) {
  count(why);
  return PROCEED;
}

static __always_inline int refuse(enum reason why, int error) {
  count(why);
  if (has_set_retval)
    bpf_set_retval(-error);
  return REFUSE;
}

// The agent can't serve: what the pod's owner chose, at once. Never a wait.
static __always_inline int unserved(const struct pod *pod, enum reason why_direct) {
  if (!(pod->flags & POD_FAIL_CLOSED))
    return direct(why_direct);
  return refuse(OUTBOUND_DEAD_REFUSED, ECONNREFUSED);
}

// Whether the agent made this socket: then which mark it is to have, else 0.
static __always_inline __u32 agents_mark(struct bpf_sock *socket) {
  __u32 *mark = bpf_sk_storage_get(&agent_sockets, socket, 0, 0);
  return mark ? *mark : 0;
}

static __always_inline int set_mark(struct bpf_sock_addr *ctx, __u32 mark) {
  return bpf_setsockopt(ctx, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0;
}

static __always_inline int agents_connect(struct bpf_sock_addr *ctx, int family, __u32 mark) {
  if (!set_mark(ctx, mark))
    return refuse(OUTBOUND_UNMARKED, ECONNREFUSED);
  if (mark == MARK_INBOUND && !choose_source_port(ctx, family))
    return refuse(OUTBOUND_NO_PORT, EADDRNOTAVAIL);
  return direct(OUTBOUND_AGENT);
}

// One of the mesh's own marks, set by somebody else than the mesh.
static __always_inline int is_borrowed(__u32 mark) {
  return (mark & RULE_MASK) == RULE_MARK || (mark & MARK_MASK) == MARK_UPSTREAM;
}

static __always_inline int cidr_excluded(const struct pod *pod, __u64 cookie, const struct address *to) {
  struct cidr_key key = {
      .prefix_length = CIDR_PREFIX + 128,
      .family = is_mapped_ipv4(to) ? AF_INET : AF_INET6,
      .pod = cookie,
      .address = *to,
  };
  __u32 *verdict = bpf_map_lookup_elem(&cidrs, &key);
  if (verdict)
    return *verdict == CIDR_EXCLUDE;
  return (pod->flags & POD_CIDRS_ONLY) != 0;
}

static __always_inline __u32 network_of(__u64 cookie, const struct address *address) {
  struct cidr_key key = {
      .prefix_length = CIDR_PREFIX + 128,
      .family = is_mapped_ipv4(address) ? AF_INET : AF_INET6,
      .pod = cookie,
      .address = *address,
  };
  __u32 *network = bpf_map_lookup_elem(&networks, &key);
  return network ? *network : NETWORK_MESH;
}

static __always_inline struct address bound_source(struct bpf_sock *socket, int family) {
  if (family == AF_INET)
    return mapped_ipv4(read_once(socket->src_ip4));
  return context_ipv6(socket->src_ip6);
}

// Whether the pod's own routes lead it out by another interface than the mesh's. Its policy rules are not asked, but
// what they are mostly made of: the address that the application chose to dial from.
static __always_inline int leaves_otherwise(struct bpf_sock *socket, __u64 cookie, const struct address *to,
                                            int family) {
  struct address source = bound_source(socket, family);
  return network_of(cookie, &source) == NETWORK_OWN || network_of(cookie, to) != NETWORK_MESH;
}

// Whether somebody listens for this pod's connections right now: known the moment an agent dies.
static __always_inline int agent_listens(__u64 cookie) {
  struct bpf_sock *listener = bpf_map_lookup_elem(&listeners, &cookie);
  if (!listener)
    return 0;
  bpf_sk_release(listener);
  return heart_beats();
}

static __always_inline int decide(struct bpf_sock_addr *ctx, const struct address *to, int family) {
  // 1. Only TCP of enrolled pods. UDP, SCTP and MPTCP are not carried.
  if (ctx->type != SOCK_STREAM || ctx->protocol != IPPROTO_TCP)
    return PROCEED;
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct pod *pod = bpf_map_lookup_elem(&pods, &cookie);
  if (!pod)
    return PROCEED;

  // 2. The agent's own connections are already decided. Nobody else keeps a mark of the mesh.
  struct bpf_sock *socket = ctx->sk;
  __u32 agents = agents_mark(socket);
  if (agents)
    return agents_connect(ctx, family, agents);
  __u32 mark = socket->mark;
  if (is_borrowed(mark)) {
    mark &= ~MARK_MASK;
    set_mark(ctx, mark);
  }

  // 3. What does not leave the pod is none of the mesh's business.
  if (stays_here(to) || same_address(to, &pod->ipv4) || same_address(to, &pod->ipv6))
    return direct(OUTBOUND_LOCAL);

  // 4. A pod that leaves the mesh starts nothing new in it.
  if (!(pod->flags & POD_CATCH))
    return direct(OUTBOUND_LEAVING);

  // 5. SO_BINDTODEVICE wins over the route to `lo`: a marked SYN would leave the pod unproxied.
  if (socket->bound_dev_if)
    return direct(OUTBOUND_DEVICE);

  // 6. What goes by another interface is nobody's business but the pod's.
  if (pod->flags & POD_NETWORKS && leaves_otherwise(socket, cookie, to, family))
    return direct(OUTBOUND_OTHER);

  // 7. What the pod's owner excluded.
  __u16 port = host16((__u16)ctx->user_port);
  if (pod->flags & POD_PORTS_OUT && port_excluded(cookie, DIRECTION_OUT, port))
    return direct(OUTBOUND_EXCLUDED_PORT);
  if (pod->flags & (POD_CIDRS | POD_CIDRS_ONLY) && cidr_excluded(pod, cookie, to))
    return direct(OUTBOUND_EXCLUDED_CIDR);

  // 8. A dead agent must not cost the application a time-out.
  if (!agent_listens(cookie))
    return unserved(pod, OUTBOUND_DEAD_DIRECT);

  // 9. Catch it. The application's own bits of the mark stay.
  if (!set_mark(ctx, (mark & ~MARK_MASK) | MARK_CAUGHT))
    return unserved(pod, OUTBOUND_UNMARKED);
  return direct(OUTBOUND_CAUGHT);
}

SEC("cgroup/connect4") int connect4(struct bpf_sock_addr *ctx) {
  struct address to = mapped_ipv4(ctx->user_ip4);
  return decide(ctx, &to, AF_INET);
}

// Also sees AF_INET6 sockets that dial ::ffff:a.b.c.d: the same address as connect4 would have made of it.
SEC("cgroup/connect6") int connect6(struct bpf_sock_addr *ctx) {
  struct address to = context_ipv6(ctx->user_ip6);
  return decide(ctx, &to, AF_INET6);
}

char _license[] SEC("license") = "GPL";
