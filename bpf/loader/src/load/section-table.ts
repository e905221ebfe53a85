/** What a program's section says: bpf_prog_type, bpf_attach_type, and where an attach target's name is looked up. */
export interface SectionMeaning {
  readonly type: number;
  readonly attachType: number;
  /** `BPF_F_SLEEPABLE`, `BPF_F_XDP_HAS_FRAGS`. */
  readonly flags: number;
  /** Kernel type that is named by the section's rest, or none. */
  readonly target:
    | "none"
    | "function"
    | "tracepoint"
    | "lsm"
    | "iterator"
    | "program"
    | "struct-ops";
  /** What follows the slash: a function, tracepoint or nothing. */
  readonly rest: string;
}

type Target = SectionMeaning["target"];
/** Prefix, program type, attach type, flags, target. A prefix ending in + may have `/rest`. */
type Row = readonly [string, number, number, number?, Target?];

const SLEEPABLE = 1 << 4;
const XDP_FRAGS = 1 << 5;
const SCHED_CLS = 3;
const KPROBE = 2;
const TRACING = 26;
const SOCK_ADDR = 18;

/** Documentation/bpf/libbpf/program_types.rst lists the same names. */
const ROWS: readonly Row[] = [
  ["socket", 1, 0],
  ["sk_reuseport/migrate", 21, 40],
  ["sk_reuseport", 21, 39],
  ["kprobe+", KPROBE, 0],
  ["uprobe+", KPROBE, 0],
  ["uprobe.s+", KPROBE, 0, SLEEPABLE],
  ["kretprobe+", KPROBE, 0],
  ["uretprobe+", KPROBE, 0],
  ["uretprobe.s+", KPROBE, 0, SLEEPABLE],
  ["kprobe.multi+", KPROBE, 42],
  ["kretprobe.multi+", KPROBE, 42],
  ["kprobe.session+", KPROBE, 56],
  ["uprobe.multi+", KPROBE, 48],
  ["uretprobe.multi+", KPROBE, 48],
  ["uprobe.multi.s+", KPROBE, 48, SLEEPABLE],
  ["uretprobe.multi.s+", KPROBE, 48, SLEEPABLE],
  ["uprobe.session+", KPROBE, 57],
  ["uprobe.session.s+", KPROBE, 57, SLEEPABLE],
  ["ksyscall+", KPROBE, 0],
  ["kretsyscall+", KPROBE, 0],
  ["usdt+", KPROBE, 0],
  ["usdt.s+", KPROBE, 0, SLEEPABLE],
  ["tc/ingress", SCHED_CLS, 46],
  ["tc/egress", SCHED_CLS, 47],
  ["tcx/ingress", SCHED_CLS, 46],
  ["tcx/egress", SCHED_CLS, 47],
  ["tc", SCHED_CLS, 0],
  ["classifier", SCHED_CLS, 0],
  ["action", 4, 0],
  ["netkit/primary", SCHED_CLS, 54],
  ["netkit/peer", SCHED_CLS, 55],
  ["tracepoint+", 5, 0],
  ["tp+", 5, 0],
  ["raw_tracepoint+", 17, 0],
  ["raw_tp+", 17, 0],
  ["raw_tracepoint.w+", 24, 0],
  ["raw_tp.w+", 24, 0],
  ["tp_btf+", TRACING, 23, 0, "tracepoint"],
  ["fentry+", TRACING, 24, 0, "function"],
  ["fmod_ret+", TRACING, 26, 0, "function"],
  ["fexit+", TRACING, 25, 0, "function"],
  ["fentry.s+", TRACING, 24, SLEEPABLE, "function"],
  ["fmod_ret.s+", TRACING, 26, SLEEPABLE, "function"],
  ["fexit.s+", TRACING, 25, SLEEPABLE, "function"],
  ["freplace+", 28, 0, 0, "program"],
  ["lsm+", 29, 27, 0, "lsm"],
  ["lsm.s+", 29, 27, SLEEPABLE, "lsm"],
  ["lsm_cgroup+", 29, 43, 0, "lsm"],
  ["iter+", TRACING, 28, 0, "iterator"],
  ["iter.s+", TRACING, 28, SLEEPABLE, "iterator"],
  ["syscall", 31, 0, SLEEPABLE],
  ["xdp.frags/devmap", 6, 33, XDP_FRAGS],
  ["xdp/devmap", 6, 33],
  ["xdp.frags/cpumap", 6, 35, XDP_FRAGS],
  ["xdp/cpumap", 6, 35],
  ["xdp.frags", 6, 37, XDP_FRAGS],
  ["xdp", 6, 37],
  ["perf_event", 7, 0],
  ["lwt_in", 10, 0],
  ["lwt_out", 11, 0],
  ["lwt_xmit", 12, 0],
  ["lwt_seg6local", 19, 0],
  ["sockops", 13, 3],
  ["sk_skb/stream_parser", 14, 4],
  ["sk_skb/stream_verdict", 14, 5],
  ["sk_skb/verdict", 14, 38],
  ["sk_skb", 14, 0],
  ["sk_msg", 16, 7],
  ["lirc_mode2", 20, 16],
  ["flow_dissector", 22, 17],
  ["cgroup_skb/ingress", 8, 0],
  ["cgroup_skb/egress", 8, 1],
  ["cgroup/skb", 8, 0],
  ["cgroup/sock_create", 9, 2],
  ["cgroup/sock_release", 9, 34],
  ["cgroup/sock", 9, 2],
  ["cgroup/post_bind4", 9, 12],
  ["cgroup/post_bind6", 9, 13],
  ["cgroup/bind4", SOCK_ADDR, 8],
  ["cgroup/bind6", SOCK_ADDR, 9],
  ["cgroup/connect4", SOCK_ADDR, 10],
  ["cgroup/connect6", SOCK_ADDR, 11],
  ["cgroup/connect_unix", SOCK_ADDR, 49],
  ["cgroup/sendmsg4", SOCK_ADDR, 14],
  ["cgroup/sendmsg6", SOCK_ADDR, 15],
  ["cgroup/sendmsg_unix", SOCK_ADDR, 50],
  ["cgroup/recvmsg4", SOCK_ADDR, 19],
  ["cgroup/recvmsg6", SOCK_ADDR, 20],
  ["cgroup/recvmsg_unix", SOCK_ADDR, 51],
  ["cgroup/getpeername4", SOCK_ADDR, 29],
  ["cgroup/getpeername6", SOCK_ADDR, 30],
  ["cgroup/getpeername_unix", SOCK_ADDR, 52],
  ["cgroup/getsockname4", SOCK_ADDR, 31],
  ["cgroup/getsockname6", SOCK_ADDR, 32],
  ["cgroup/getsockname_unix", SOCK_ADDR, 53],
  ["cgroup/sysctl", 23, 18],
  ["cgroup/getsockopt", 25, 21],
  ["cgroup/setsockopt", 25, 22],
  ["cgroup/dev", 15, 6],
  ["struct_ops+", 27, 0, 0, "struct-ops"],
  ["struct_ops.s+", 27, 0, SLEEPABLE, "struct-ops"],
  ["sk_lookup", 30, 36],
  ["netfilter", 32, 45],
];

/** What the section of a program means, or undefined when it is none this loader knows. */
export function meaningOf(section: string): SectionMeaning | undefined {
  for (const [pattern, type, attachType, flags = 0, target = "none"] of ROWS) {
    const open = pattern.endsWith("+");
    const prefix = open ? pattern.slice(0, -1) : pattern;
    const isSame = section === prefix;
    if (!isSame && !(open && section.startsWith(`${prefix}/`))) continue;
    return { type, attachType, flags, target, rest: section.slice(prefix.length + 1) };
  }
  return undefined;
}
