// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// Who listens in enrolled pods, followed from sockops: `listening` counts the sockets that begin to listen while
// their pod is enrolled, each once (`counted_listeners` is on the socket itself, so other programs' flags and
// sockets from before can't confuse it). May include maps.h. An error must only ever be on the side of "listens":
// then the agent gets the connection, as it would without all this.
#pragma once
#include "maps.h"

// The kernel's own, of which only the one bit is read.
struct sock_common {
  unsigned char skc_ipv6only : 1;
} __attribute__((preserve_access_index));

// Only where the kernel tells its types; elsewhere a socket on [::] counts as one for IPv4 too.
static __always_inline int ipv6_only(struct bpf_sock *socket) {
  struct sock_common *common = bpf_skc_to_tcp6_sock(socket);
  if (!common)
    return 0;
  __u32 offset = __builtin_preserve_field_info(common->skc_ipv6only, 0);
  __u64 byte = *((unsigned char *)common + offset);
  // As bpf_core_read.h: the bits of a field, moved to the top and down again.
  byte <<= __builtin_preserve_field_info(common->skc_ipv6only, 4);
  byte >>= __builtin_preserve_field_info(common->skc_ipv6only, 5);
  return byte != 0;
}

// The places that the listening socket serves: one, or two for a dual-stack one on [::].
struct served {
  struct listening_key first;
  int both;
};

static __always_inline struct served places_of(struct bpf_sock_ops *ctx, __u64 cookie, __u32 device,
                                              int has_types) {
  struct served served = {
      .first = {.pod = cookie, .device = device, .port = ctx->local_port, .family = AF_INET},
  };
  if (ctx->family == AF_INET) {
    __u32 ipv4 = read_once(ctx->local_ip4);
    if (ipv4)
      served.first.address = mapped_ipv4(ipv4);
    return served;
  }
  struct address address = context_ipv6(ctx->local_ip6);
  served.first.address = address;
  if (is_mapped_ipv4(&address)) {
    if (address.word[3] == 0)
      served.first.address = (struct address){};
    return served;
  }
  served.first.family = AF_INET6;
  struct bpf_sock *socket = ctx->sk;
  served.both = !address.word[0] && !address.word[1] && !address.word[2] && !address.word[3] && socket &&
                !(has_types && ipv6_only(socket));
  return served;
}

// A new place, within the pod's share: one pod's ports must not take those of the others' away.
static __always_inline int add_place(const struct listening_key *key, struct listening_state *state) {
  __u32 one = 1;
  if (state->keys >= LISTENING_SHARE || bpf_map_update_elem(&listening, key, &one, BPF_NOEXIST))
    return 0;
  __sync_fetch_and_add(&state->keys, 1);
  return 1;
}

static __always_inline void in_doubt(struct listening_state *state) {
  state->full = 1;
  count(LISTENING_FULL);
}

static __always_inline void one_more(const struct listening_key *key, struct listening_state *state) {
  __u32 *sockets = bpf_map_lookup_elem(&listening, key);
  if (!sockets && add_place(key, state))
    return;
  // Somebody else may have added it in the meantime.
  if (!sockets)
    sockets = bpf_map_lookup_elem(&listening, key);
  if (sockets)
    __sync_fetch_and_add(sockets, 1);
  else
    in_doubt(state);
}

static __always_inline void one_less(const struct listening_key *key) {
  __u32 *sockets = bpf_map_lookup_elem(&listening, key);
  if (sockets && *sockets > 0)
    __sync_fetch_and_add(sockets, -1);
}

// One that the agent found: it began to listen before the pod was enrolled.
static __always_inline void found_one_less(const struct listening_key *key) {
  __u32 *sockets = bpf_map_lookup_elem(&found_listening, key);
  if (!sockets)
    return;
  if (*sockets > 1)
    __sync_fetch_and_add(sockets, -1);
  else
    bpf_map_delete_elem(&found_listening, key);
}

static __always_inline void listener_begins(struct bpf_sock_ops *ctx, struct bpf_sock *socket,
                                            int has_types) {
  // Nobody can dial the agent's own.
  if (read_once(ctx->local_ip4) == net32(AGENT_IPV4))
    return;
  // Also where no pod is enrolled yet: once one is, its end must be seen.
  bpf_sock_ops_cb_flags_set(ctx, ctx->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct listening_state *state = bpf_map_lookup_elem(&listening_states, &cookie);
  if (!state)
    return;
  struct counted *counted =
      bpf_sk_storage_get(&counted_listeners, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!counted) {
    in_doubt(state);
    return;
  }
  counted->epoch = state->epoch;
  counted->device = socket->bound_dev_if;
  struct served served = places_of(ctx, cookie, counted->device, has_types);
  one_more(&served.first, state);
  if (!served.both)
    return;
  served.first.family = AF_INET;
  one_more(&served.first, state);
}

static __always_inline void listener_ends(struct bpf_sock_ops *ctx, struct bpf_sock *socket,
                                          int has_types) {
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct listening_state *state = bpf_map_lookup_elem(&listening_states, &cookie);
  struct counted *counted = bpf_sk_storage_get(&counted_listeners, socket, 0, 0);
  int is_counted = 0;
  __u32 device = read_once(socket->bound_dev_if);
  if (counted) {
    is_counted = state && counted->epoch == state->epoch;
    if (is_counted)
      device = *(volatile __u32 *)&counted->device;
    bpf_sk_storage_delete(&counted_listeners, socket);
  }
  if (!state)
    return;
  struct served served = places_of(ctx, cookie, device, has_types);
  for (int i = 0; i < 2; i++) {
    if (is_counted)
      one_less(&served.first);
    else
      found_one_less(&served.first);
    if (!served.both)
      return;
    served.first.family = AF_INET;
  }
}

// The agent was refused by the application: somebody who was found, or whose end was not seen, is gone.
static __always_inline void nobody_served(struct bpf_sock_ops *ctx) {
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct listening_state *state = bpf_map_lookup_elem(&listening_states, &cookie);
  if (state)
    __sync_fetch_and_add(&state->stale, 1);
  count(INBOUND_GONE);
}
