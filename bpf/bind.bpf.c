// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// bind() in an enrolled pod: an application that asks for the port of the agent's listeners is noted, so that they
// move and its next try succeeds. Nothing is refused or changed here.
// Attached once, to the node's cgroup, as connect.bpf.c.
#include "maps.h"

static __always_inline int note(struct bpf_sock_addr *ctx) {
  __u64 cookie = bpf_get_netns_cookie(ctx);
  struct pod *pod = bpf_map_lookup_elem(&pods, &cookie);
  if (!pod || pod->listener_port == 0 || host16((__u16)ctx->user_port) != pod->listener_port)
    return 1;
  struct listening_state *state = bpf_map_lookup_elem(&listening_states, &cookie);
  if (state)
    __sync_fetch_and_add(&state->wanted, 1);
  count(PORT_WANTED);
  return 1;
}

SEC("cgroup/bind4") int bind4(struct bpf_sock_addr *ctx) {
  return note(ctx);
}

SEC("cgroup/bind6") int bind6(struct bpf_sock_addr *ctx) {
  return note(ctx);
}

char _license[] SEC("license") = "GPL";
