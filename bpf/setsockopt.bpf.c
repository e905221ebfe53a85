// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// setsockopt() of an application: notes how long it bears a silent peer, so that the agent watches over the far end of
// the connection in its place (patience.h). Nothing is refused or changed here. What the kernel is going to refuse is
// left out by its own rules.
// Attached once, to the node's cgroup, as connect.bpf.c.
#include "patience.h"

enum { PROCEED = 1 };

// The kernel shows no more than a page of a value, and before Linux 6.5 fails the call with EFAULT if that is left so:
// 0 = take the application's own memory. Where pages are larger that changes nothing.
enum { SHOWN_BYTES = 4096 };

static __always_inline int concerns_patience(__s32 level, __s32 name) {
  if (level == SOL_SOCKET)
    return name == SO_KEEPALIVE;
  return level == SOL_TCP &&
         (name == TCP_KEEPIDLE || name == TCP_KEEPINTVL || name == TCP_KEEPCNT || name == TCP_USER_TIMEOUT);
}

// Whether the kernel takes that value.
static __always_inline int is_valid(__s32 level, __s32 name, __s32 value) {
  if (level == SOL_SOCKET)
    return 1;
  switch (name) {
  case TCP_KEEPIDLE:
    return value >= 1 && value <= MAX_TCP_KEEPIDLE;
  case TCP_KEEPINTVL:
    return value >= 1 && value <= MAX_TCP_KEEPINTVL;
  case TCP_KEEPCNT:
    return value >= 1 && value <= MAX_TCP_KEEPCNT;
  default:
    return value >= 0;
  }
}

static __always_inline void note(struct patience *told, __s32 level, __s32 name, __s32 value) {
  if (level == SOL_SOCKET)
    told->keep_alive = value != 0;
  else if (name == TCP_KEEPIDLE)
    told->idle_s = value;
  else if (name == TCP_KEEPINTVL)
    told->interval_s = value;
  else if (name == TCP_KEEPCNT)
    told->probes = value;
  else
    told->user_timeout_ms = value;
}

static __always_inline void hear(struct bpf_sockopt *ctx, __s32 length) {
  __s32 *value = ctx->optval;
  void *end = ctx->optval_end;
  if (length < (__s32)sizeof(*value) || (void *)(value + 1) > end)
    return;
  __s32 level = ctx->level, name = ctx->optname;
  if (!is_valid(level, name, *value))
    return;
  struct bpf_sock *socket = ctx->sk;
  if (socket->type != SOCK_STREAM || socket->protocol != IPPROTO_TCP)
    return;
  __u32 mark = socket->mark & MARK_MASK;
  if (mark == MARK_UPSTREAM)
    return; // the agent's own
  struct patience *told = bpf_sk_storage_get(&socket_patience, socket, 0, BPF_SK_STORAGE_GET_F_CREATE);
  if (!told)
    return;
  note(told, level, name, *value);
  if ((mark == MARK_CAUGHT || mark == MARK_INBOUND) && socket->dst_port)
    tell_agent(socket, bpf_get_netns_cookie(ctx), told);
}

SEC("cgroup/setsockopt") int hear_patience(struct bpf_sockopt *ctx) {
  __s32 length = ctx->optlen;
  if (length > SHOWN_BYTES)
    ctx->optlen = 0;
  if (concerns_patience(ctx->level, ctx->optname))
    hear(ctx, length);
  return PROCEED;
}

char _license[] SEC("license") = "GPL";
