/**
 * Network namespaces: make them, keep them by a file, enter them for the length of one function.
 * A namespace belongs to a thread, so everything between entering and leaving must be synchronous: what
 * Node does later (an `await`, a stream, a lazy connect) would silently happen in the wrong namespace.
 */

import { closeSync, existsSync, openSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import type { PortRange } from "#model/enrolment.ts";
import { libc } from "./ffi.ts";
import {
  bindMount,
  currentNetnsCookie,
  detachMount,
  enterNetns,
  leaveToNewNetns,
} from "./namespace-calls.ts";

const LOCAL_PORT_RANGE = "/proc/sys/net/ipv4/ip_local_port_range";

/** The namespace this thread started in; opened once, because /proc/thread-self changes with each entering. */
let home: number | undefined;

/**
 * Runs `work` with this thread in the namespace of the descriptor and returns its value.
 * `work` must not be async. When the thread cannot return to its own namespace the process is aborted:
 * a thread in the wrong namespace would connect to the wrong network from then on.
 */
export function inNetns<T>(netns: number, work: () => T): T {
  const back = homeNetns();
  enterNetns(netns);
  try {
    return work();
  } finally {
    returnTo(back);
  }
}

/**
 * Makes a new namespace and keeps it alive by a bind mount on the file `path`, which is created.
 * The loopback interface is still down. Throws when the file exists.
 */
export function createNetns(path: string): void {
  const back = homeNetns();
  writeFileSync(path, "", { flag: "wx" });
  try {
    leaveToNewNetns();
    bindMount("/proc/thread-self/ns/net", path);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    returnTo(back);
  }
}

/** Opens a namespace by its file. The descriptor keeps the namespace alive: close it. */
export function openNetns(path: string): number {
  return openSync(path, "r");
}

/** Closes what openNetns gave. */
export function closeNetns(netns: number): void {
  closeSync(netns);
}

/** Removes the file of a namespace; the namespace itself dies with its last process, socket and descriptor. */
export function deleteNetns(path: string): void {
  if (!existsSync(path)) return;
  detachMount(path);
  unlinkSync(path);
}

/** The number that the kernel's programs know a namespace by (SO_NETNS_COOKIE, Linux 5.14). Never 0. */
export function netnsCookie(netns: number): bigint {
  return inNetns(netns, currentNetnsCookie);
}

/**
 * Writes a setting below /proc/sys in a namespace, for example `net/ipv4/ip_forward`. Whichever procfs it is, its
 * sys/net shows the namespace of the thread that opens the file; `proc` names a writable one for processes whose
 * own /proc/sys is read-only (containers).
 */
export function writeSysctl(netns: number, name: string, value: string, proc = "/proc"): void {
  inNetns(netns, () => {
    writeFileSync(`${proc}/sys/${name}`, value);
  });
}

/** Reads a setting below /proc/sys in a namespace, without the line's end; undefined where the kernel has none. */
export function readSysctl(netns: number, name: string): string | undefined {
  try {
    return inNetns(netns, () => readFileSync(`/proc/sys/${name}`, "utf8").trim());
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * From where the kernel chooses the ports of connections in the namespace (ip_local_port_range, also for IPv6); in this
 * thread's own when `netns` is negative, as for sockets.
 */
export function localPortRange(netns: number): PortRange {
  const read = (): string => readFileSync(LOCAL_PORT_RANGE, "utf8");
  const text = netns < 0 ? read() : inNetns(netns, read);
  const [first = 0, last = 0] = text.trim().split(/\s+/).map(Number);
  return { first, last };
}

function homeNetns(): number {
  home ??= openSync("/proc/thread-self/ns/net", "r");
  return home;
}

function returnTo(back: number): void {
  try {
    enterNetns(back);
  } catch {
    libc.abort();
  }
}
