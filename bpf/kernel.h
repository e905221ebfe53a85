// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
//
// The slice of the kernel's interface (uapi linux/bpf.h and linux/socket.h) that the mesh's programs use.
// Written out here so that the committed objects depend on nothing but the compiler: a system header that
// gains a field would change the objects' type information and with it their hash.
// May include nothing. Must not hold anything of the mesh.
#pragma once

typedef unsigned char __u8;
typedef unsigned short __u16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;

#define SEC(name)           __attribute__((section(name), used))
#define __always_inline     inline __attribute__((always_inline))
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
// Reads one 32-bit field of a context as exactly that: left alone, clang merges neighbouring reads into a wider
// one, or two alternatives into one read at a variable offset, and the verifier refuses both.
#define read_once(field) (*(const volatile __u32 *)&(field))

// The objects are built for little-endian machines only (-target bpfel).
#define host16(big_endian) __builtin_bswap16(big_endian)
#define host32(big_endian) __builtin_bswap32(big_endian)
#define net16(host)        __builtin_bswap16(host)
#define net32(host)        __builtin_bswap32(host)

enum { BPF_MAP_TYPE_HASH = 1, BPF_MAP_TYPE_ARRAY = 2, BPF_MAP_TYPE_PERCPU_ARRAY = 6 };
enum { BPF_MAP_TYPE_LRU_HASH = 9, BPF_MAP_TYPE_LPM_TRIE = 11, BPF_MAP_TYPE_SOCKHASH = 18 };
enum { BPF_MAP_TYPE_SK_STORAGE = 24 };
enum { LIBBPF_PIN_BY_NAME = 1 };
enum { BPF_ANY = 0, BPF_NOEXIST = 1, BPF_F_NO_PREALLOC = 1, BPF_F_CLONE = 512 };
enum { BPF_SK_STORAGE_GET_F_CREATE = 1 };
enum { BPF_SOCK_OPS_TCP_CONNECT_CB = 3, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB = 5 };
enum { BPF_SOCK_OPS_STATE_CB = 10, BPF_SOCK_OPS_TCP_LISTEN_CB = 11, BPF_SOCK_OPS_STATE_CB_FLAG = 4 };
enum { SK_DROP = 0, SK_PASS = 1 };

enum { AF_INET = 2, AF_INET6 = 10 };
enum { IPPROTO_TCP = 6 };
enum { SOCK_STREAM = 1 };
enum { SOL_SOCKET = 1, SO_REUSEADDR = 2, SO_KEEPALIVE = 9, SO_MARK = 36 };
enum { SOL_TCP = 6, TCP_KEEPIDLE = 4, TCP_KEEPINTVL = 5, TCP_KEEPCNT = 6, TCP_USER_TIMEOUT = 18 };
enum { MAX_TCP_KEEPIDLE = 32767, MAX_TCP_KEEPINTVL = 32767, MAX_TCP_KEEPCNT = 127 };
enum { TCP_ESTABLISHED = 1, TCP_SYN_SENT = 2, TCP_TIME_WAIT = 6, TCP_CLOSE = 7, TCP_LISTEN = 10 };
#define BPF_F_CURRENT_NETNS (-1ULL)
enum { EADDRNOTAVAIL = 99, ECONNREFUSED = 111 };
enum { LOOPBACK_IFINDEX = 1 };

struct bpf_sock {
  __u32 bound_dev_if;
  __u32 family;
  __u32 type;
  __u32 protocol;
  __u32 mark;
  __u32 priority;
  __u32 src_ip4;
  __u32 src_ip6[4];
  __u32 src_port;
  __u16 dst_port;
  __u16 : 16;
  __u32 dst_ip4;
  __u32 dst_ip6[4];
  __u32 state;
  __s32 rx_queue_mapping;
};

// Four-tuple for bpf_skc_lookup_tcp, as a packet carries it. Network byte order.
struct bpf_sock_tuple {
  union {
    struct {
      __u32 saddr;
      __u32 daddr;
      __u16 sport;
      __u16 dport;
    } ipv4;
    struct {
      __u32 saddr[4];
      __u32 daddr[4];
      __u16 sport;
      __u16 dport;
    } ipv6;
  };
};

struct sockaddr_in {
  __u16 sin_family;
  __u16 sin_port;
  __u32 sin_addr;
  __u8 sin_zero[8];
};

struct sockaddr_in6 {
  __u16 sin6_family;
  __u16 sin6_port;
  __u32 sin6_flowinfo;
  __u32 sin6_addr[4];
  __u32 sin6_scope_id;
};

// A pointer field of a program's context, always eight bytes wide.
#define context_pointer(type, name)                                                                          \
  union {                                                                                                    \
    type name;                                                                                               \
    __u64 : 64;                                                                                              \
  } __attribute__((aligned(8)))

// Context of cgroup/connect4 and connect6. Addresses and the port are in network byte order.
struct bpf_sock_addr {
  __u32 user_family;
  __u32 user_ip4;
  __u32 user_ip6[4];
  __u32 user_port;
  __u32 family;
  __u32 type;
  __u32 protocol;
  __u32 msg_src_ip4;
  __u32 msg_src_ip6[4];
  context_pointer(struct bpf_sock *, sk);
};

// Context of sockops. Only the head of it: nothing after `local_port` but `sk` is read here.
struct bpf_sock_ops {
  __u32 op;
  __u32 args[4];
  __u32 family;
  __u32 remote_ip4;
  __u32 local_ip4;
  __u32 remote_ip6[4];
  __u32 local_ip6[4];
  __u32 remote_port; // network byte order, in the high half
  __u32 local_port;  // host byte order
  __u32 is_fullsock;
  __u32 unused[2];
  __u32 bpf_sock_ops_cb_flags;
  __u32 unused_too[20];
  __u64 bytes_received;
  __u64 bytes_acked;
  context_pointer(struct bpf_sock *, sk);
};

// Context of cgroup/setsockopt. The value is at most a page of what the application gave.
struct bpf_sockopt {
  context_pointer(struct bpf_sock *, sk);
  context_pointer(void *, optval);
  context_pointer(void *, optval_end);
  __s32 level;
  __s32 optname;
  __s32 optlen;
  __s32 retval;
};

// Context of sk_lookup. `local` is the side a listener is looked for.
struct bpf_sk_lookup {
  union {
    context_pointer(struct bpf_sock *, sk);
    __u64 cookie;
  };
  __u32 family;
  __u32 protocol;
  __u32 remote_ip4;
  __u32 remote_ip6[4];
  __u16 remote_port; // network byte order
  __u16 : 16;
  __u32 local_ip4;
  __u32 local_ip6[4];
  __u32 local_port; // host byte order
  __u32 ingress_ifindex;
};

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value,
                                         __u64 flags) = (void *)2;
static __u64 (*const bpf_ktime_get_ns)(void) = (void *)5;
static __u32 (*const bpf_get_prandom_u32)(void) = (void *)7;
static __u64 (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static long (*const bpf_setsockopt)(void *context, int level, int name, void *value, int length) = (void *)49;
static void *(*const bpf_sk_storage_get)(void *map, void *socket, void *value, __u64 flags) = (void *)107;
static long (*const bpf_sk_storage_delete)(void *map, void *socket) = (void *)108;
static void *(*const bpf_skc_to_tcp6_sock)(void *socket) = (void *)136;
static long (*const bpf_map_delete_elem)(void *map, const void *key) = (void *)3;
static long (*const bpf_sock_ops_cb_flags_set)(struct bpf_sock_ops *context, int flags) = (void *)59;
static long (*const bpf_bind)(void *context, void *address, int length) = (void *)64;
static struct bpf_sock *(*const bpf_skc_lookup_tcp)(void *context, void *tuple, __u32 length, __u64 netns,
                                                    __u64 flags) = (void *)99;
static long (*const bpf_sk_release)(void *socket) = (void *)86;
static __u64 (*const bpf_get_netns_cookie)(void *context) = (void *)122;
static long (*const bpf_sk_assign)(void *context, void *socket, __u64 flags) = (void *)124;
static int (*const bpf_set_retval)(int retval) = (void *)187;
