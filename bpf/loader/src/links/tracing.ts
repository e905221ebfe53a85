import { existsSync, readFileSync } from "node:fs";
import type { Link, Program } from "../api/objects.ts";
import { MissingAttachTarget, SystemError, UnsupportedFeature } from "../errors.ts";
import { BPF, ERRNO } from "../sys/constants.ts";
import { type Host, kernelHost } from "../sys/host.ts";
import { createLink, KernelLink } from "./kernel-link.ts";

/** Where the kernel lists its tracepoints, in the order in which they are tried. */
const TRACEFS = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];
const KPROBE_PMU = "/sys/bus/event_source/devices/kprobe";
const PERF_TYPE_TRACEPOINT = 2;
const PERF_EVENT = 41; // BPF_PERF_EVENT
/** PERF_ATTR_SIZE_VER5: everything that is set here, known since Linux 4.1. */
const PERF_ATTR_BYTES = 112;
const CONFIG1 = 56;
const CONFIG2 = 64;

/**
 * Attaches a `fentry`, `fexit`, `fmod_ret`, `tp_btf` or `lsm` program to the kernel function that it was loaded for.
 * Needs Linux 5.5 with its own BTF.
 */
export function attachTracing(program: Program): Link {
  const host = kernelHost();
  const fd = host.call.begin().u32(8, program.fd).run(BPF.rawTracepointOpen, 16);
  if (fd < 0) throw new SystemError(`attach program "${program.name}" to its function`, -fd);
  return new KernelLink(host, fd);
}

/**
 * Attaches a tracepoint program to `CATEGORY/NAME`, such as `syscalls/sys_enter_connect`. Needs Linux 5.15 and a
 * mounted tracefs (`tracefs`: where, when not at its usual places). Throws `MissingAttachTarget`.
 */
export function attachTracepoint(program: Program, tracepoint: string, tracefs?: string): Link {
  const places = tracefs === undefined ? TRACEFS : [tracefs];
  const root = places.find((place) => existsSync(`${place}/events`));
  if (root === undefined) {
    throw new MissingAttachTarget(`tracepoint ${tracepoint}: no tracefs on ${places.join(" or ")}`);
  }
  const file = `${root}/events/${tracepoint}/id`;
  if (!existsSync(file)) {
    throw new MissingAttachTarget(`the running kernel has no tracepoint ${tracepoint}`);
  }
  const config = Number(readFileSync(file, "utf8"));
  const event = { type: PERF_TYPE_TRACEPOINT, config, name: "", offset: 0 };
  return attachPerfEvent(program, event, `tracepoint ${tracepoint}`);
}

/** A place in the kernel's code. */
export interface KprobeTarget {
  /** Name of a function, as /proc/kallsyms has it. */
  readonly function: string;
  /** Bytes from its start; 0 = its entry. */
  readonly offset?: number;
  /** Run when it returns instead. */
  readonly atReturn?: boolean;
}

/**
 * Attaches a kprobe program to a kernel function. Needs Linux 5.15 built with kprobes (`UnsupportedFeature`); throws
 * `MissingAttachTarget` when there is no such function, or none that may be probed.
 */
export function attachKprobe(program: Program, target: KprobeTarget): Link {
  if (!existsSync(`${KPROBE_PMU}/type`)) {
    throw new UnsupportedFeature("kprobes (CONFIG_KPROBE_EVENTS)", "4.17");
  }
  const type = Number(readFileSync(`${KPROBE_PMU}/type`, "utf8"));
  const config = target.atReturn ? 1 << returnBit() : 0;
  const event = { type, config, name: target.function, offset: target.offset ?? 0 };
  return attachPerfEvent(program, event, `function ${target.function}`);
}

/** Which bit of the configuration means "at return", as the kernel says. */
function returnBit(): number {
  const format = readFileSync(`${KPROBE_PMU}/format/retprobe`, "utf8");
  return Number(/^config:(\d+)/.exec(format)?.[1] ?? 0);
}

interface PerfEvent {
  readonly type: number;
  readonly config: number;
  /** Function of a kprobe, empty for a tracepoint. */
  readonly name: string;
  readonly offset: number;
}

/** The link keeps the event open: its own descriptor is not needed any more. */
function attachPerfEvent(program: Program, event: PerfEvent, what: string): Link {
  const host = kernelHost();
  const fd = openPerfEvent(host, event);
  if (fd === -ERRNO.ENOENT || fd === -ERRNO.EINVAL) {
    throw new MissingAttachTarget(`program "${program.name}": the kernel offers no ${what}`);
  }
  if (fd < 0) throw new SystemError(`open ${what}`, -fd);
  try {
    return createLink(host, program, { target: fd, attachType: PERF_EVENT, what });
  } finally {
    host.syscalls.close(fd);
  }
}

/** The event on the first CPU, for all processes: tracepoints and kprobes run their programs on every CPU. */
function openPerfEvent(host: Host, event: PerfEvent): number {
  const name = Buffer.from(`${event.name}\0`);
  const { address, bytes, view } = host.call.begin().room(PERF_ATTR_BYTES + name.length);
  view.setUint32(0, event.type, true);
  view.setUint32(4, PERF_ATTR_BYTES, true);
  view.setBigUint64(8, BigInt(event.config), true);
  if (event.name !== "") {
    bytes.set(name, PERF_ATTR_BYTES);
    view.setBigUint64(CONFIG1, BigInt(address + PERF_ATTR_BYTES), true);
    view.setBigUint64(CONFIG2, BigInt(event.offset), true);
  }
  return host.syscalls.perfEventOpen(address, -1, 0);
}
