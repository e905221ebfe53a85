// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// ClusterIPs for every process of the simulation, in or out of the mesh: stands
// for kube-proxy. Attached to the simulation's own cgroup, the parent of the
// nodes' cgroups, so it runs after an agent's programs: a connection that they
// have caught is left alone, because there the ClusterIP itself must reach the
// proxy; the agent's own are served like anybody's. connect() and sendmsg() replace a ClusterIP by an endpoint;
// recvmsg() and getpeername() give it back. May include the mesh's words; must
// not share its maps.
#include "../../../bpf/mesh.h"

// Set before loading: whether the kernel has bpf_set_retval (5.18). Without it
// a refusal reads EPERM.
const volatile __u32 has_set_retval = 1;

enum verdict { REFUSE = 0, PROCEED = 1 };

enum { IPPROTO_UDP = 17 };

static __u64 (*const bpf_get_socket_cookie)(void *context) = (void *)46;

// A port of a ClusterIP.
struct service_key {
  struct address address;
  __u16 port; // network byte order
  __u16 protocol;
};

// Endpoints are written under a fresh id before the service points to it: a
// reader never sees half a change.
struct service {
  __u32 id;
  __u32 count;
  __u32 sticky; // sessionAffinity ClientIP: one pod, one endpoint
};

struct endpoint_key {
  __u32 id;
  __u32 slot;
};

struct endpoint {
  struct address address;
  __u16 port; // network byte order
  __u16 reserved;
};

// Which ClusterIP a socket asked for when it was sent to this endpoint. The
// endpoint is part of the key because one UDP socket may talk to many services.
struct origin_key {
  __u64 socket;
  struct endpoint endpoint;
  __u32 reserved;
};

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 4096);
  __type(key, struct service_key);
  __type(value, struct service);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 65536);
  __type(key, struct endpoint_key);
  __type(value, struct endpoint);
} endpoints SEC(".maps");

// 65536: more sockets than a simulation has open; a forgotten one only shows
// the endpoint as its peer.
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 65536);
  __type(key, struct origin_key);
  __type(value, struct endpoint);
} origins SEC(".maps");

static __always_inline struct address mapped(__u32 ipv4) {
  return (struct address){.word = {0, 0, net32(0xffff), ipv4}};
}

static __always_inline struct address ipv6_of(struct bpf_sock_addr *ctx) {
  return (struct address){
      .word = {read_once(ctx->user_ip6[0]), read_once(ctx->user_ip6[1]),
               read_once(ctx->user_ip6[2]), read_once(ctx->user_ip6[3])}};
}

static __always_inline int is_caught(struct bpf_sock_addr *ctx) {
  struct bpf_sock *socket = ctx->sk;
  return socket && (socket->mark & MARK_MASK) == MARK_CAUGHT;
}

static __always_inline int refuse(void) {
  if (has_set_retval)
    bpf_set_retval(-ECONNREFUSED);
  return REFUSE;
}

// 1 = `to` is replaced, 0 = not a ClusterIP, -1 = a ClusterIP without
// endpoints.
static __always_inline int translate(struct bpf_sock_addr *ctx,
                                     struct endpoint *to) {
  if (is_caught(ctx))
    return 0;
  struct service_key key = {.address = to->address,
                            .port = to->port,
                            .protocol = (__u16)read_once(ctx->protocol)};
  struct service *service = bpf_map_lookup_elem(&services, &key);
  if (!service)
    return 0;
  if (service->count == 0)
    return -1;
  __u32 number = service->sticky ? (__u32)bpf_get_netns_cookie(ctx)
                                 : bpf_get_prandom_u32();
  struct endpoint_key chosen = {.id = service->id,
                                .slot = number % service->count};
  struct endpoint *endpoint = bpf_map_lookup_elem(&endpoints, &chosen);
  if (!endpoint)
    return -1;
  struct origin_key origin = {.socket = bpf_get_socket_cookie(ctx),
                              .endpoint = *endpoint};
  bpf_map_update_elem(&origins, &origin, to, BPF_ANY);
  *to = *endpoint;
  return 1;
}

// The ClusterIP that this socket knows the peer by; 0 = it asked for the peer
// itself.
static __always_inline int give_back(struct bpf_sock_addr *ctx,
                                     struct endpoint *peer) {
  struct origin_key origin = {.socket = bpf_get_socket_cookie(ctx),
                              .endpoint = *peer};
  struct endpoint *asked = bpf_map_lookup_elem(&origins, &origin);
  if (!asked)
    return 0;
  *peer = *asked;
  return 1;
}

static __always_inline struct endpoint peer4(struct bpf_sock_addr *ctx) {
  return (struct endpoint){.address = mapped(ctx->user_ip4),
                           .port = (__u16)ctx->user_port};
}

static __always_inline struct endpoint peer6(struct bpf_sock_addr *ctx) {
  return (struct endpoint){.address = ipv6_of(ctx),
                           .port = (__u16)ctx->user_port};
}

static __always_inline void set_peer4(struct bpf_sock_addr *ctx,
                                      const struct endpoint *peer) {
  ctx->user_ip4 = peer->address.word[3];
  ctx->user_port = peer->port;
}

static __always_inline void set_peer6(struct bpf_sock_addr *ctx,
                                      const struct endpoint *peer) {
  ctx->user_ip6[0] = peer->address.word[0];
  ctx->user_ip6[1] = peer->address.word[1];
  ctx->user_ip6[2] = peer->address.word[2];
  ctx->user_ip6[3] = peer->address.word[3];
  ctx->user_port = peer->port;
}

static __always_inline int dial4(struct bpf_sock_addr *ctx) {
  struct endpoint to = peer4(ctx);
  int changed = translate(ctx, &to);
  if (changed < 0)
    return refuse();
  if (changed)
    set_peer4(ctx, &to);
  return PROCEED;
}

static __always_inline int dial6(struct bpf_sock_addr *ctx) {
  struct endpoint to = peer6(ctx);
  int changed = translate(ctx, &to);
  if (changed < 0)
    return refuse();
  if (changed)
    set_peer6(ctx, &to);
  return PROCEED;
}

static __always_inline int name4(struct bpf_sock_addr *ctx) {
  struct endpoint peer = peer4(ctx);
  if (give_back(ctx, &peer))
    set_peer4(ctx, &peer);
  return PROCEED;
}

static __always_inline int name6(struct bpf_sock_addr *ctx) {
  struct endpoint peer = peer6(ctx);
  if (give_back(ctx, &peer))
    set_peer6(ctx, &peer);
  return PROCEED;
}

SEC("cgroup/connect4") int connect4(struct bpf_sock_addr *ctx) {
  return dial4(ctx);
}
SEC("cgroup/connect6") int connect6(struct bpf_sock_addr *ctx) {
  return dial6(ctx);
}
SEC("cgroup/sendmsg4") int sendmsg4(struct bpf_sock_addr *ctx) {
  return dial4(ctx);
}
SEC("cgroup/sendmsg6") int sendmsg6(struct bpf_sock_addr *ctx) {
  return dial6(ctx);
}
SEC("cgroup/recvmsg4") int recvmsg4(struct bpf_sock_addr *ctx) {
  return name4(ctx);
}
SEC("cgroup/recvmsg6") int recvmsg6(struct bpf_sock_addr *ctx) {
  return name6(ctx);
}
SEC("cgroup/getpeername4") int getpeername4(struct bpf_sock_addr *ctx) {
  return name4(ctx);
}
SEC("cgroup/getpeername6") int getpeername6(struct bpf_sock_addr *ctx) {
  return name6(ctx);
}

char _license[] SEC("license") = "GPL";
