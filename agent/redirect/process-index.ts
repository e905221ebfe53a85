/**
 * Which processes belong to which pod, from /proc. What a process's cgroup file said is remembered: one look at
 * the list of processes costs a directory listing and a read for each new process.
 */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { podsAround, podUidOfCgroups } from "./pod-cgroup.ts";

/**
 * A runtime starts a process in its own cgroup and moves it to the pod's some milliseconds later. So a process
 * outside pods is read again after this time, after twice as much, and so on…
 */
const FIRST_AGAIN_MS = 10;
/** …until this old, when it stays what it is. */
const SETTLED_MS = 5000;

/** The node's init, which is in no pod of the node. */
const FIRST_PROCESS = "1";

interface Outsider {
  /** When it is read next; Infinity: never. */
  again: number;
  readonly seen: number;
}

/** See the file's head. */
export class ProcessIndex {
  readonly #proc: string;
  readonly #clock: () => number;
  readonly #outsiders = new Map<string, Outsider>();
  readonly #uids = new Map<string, string>();
  readonly #pids = new Map<string, Set<string>>();
  /** Pods that hold the node: podsAround(). */
  readonly #around: ReadonlySet<string>;

  /** `proc`: a procfs that shows the node's processes. `clock`: milliseconds. */
  constructor(proc: string, clock: () => number) {
    this.#proc = proc;
    this.#clock = clock;
    this.#around = podsAround(this.#cgroupsOf(FIRST_PROCESS) ?? "");
  }

  /** Looks at what runs now. */
  refresh(): void {
    const alive = new Set(readdirSync(this.#proc).filter(isPid));
    for (const pid of this.#outsiders.keys()) if (!alive.has(pid)) this.#outsiders.delete(pid);
    for (const pid of this.#uids.keys()) if (!alive.has(pid)) this.forget(pid);
    const now = this.#clock();
    for (const pid of alive) this.#look(pid, now);
  }

  /** Processes of a pod, the longest known first; as of the last refresh(). */
  pidsOf(uid: string): Iterable<string> {
    return this.#pids.get(uid) ?? [];
  }

  /** The pod that a process belongs to at this moment; undefined: none, or it is gone. */
  podOf(pid: string): string | undefined {
    const cgroups = this.#cgroupsOf(pid);
    return cgroups === undefined ? undefined : podUidOfCgroups(cgroups, this.#around);
  }

  /** Drops what is remembered of a process: its number may be another's by now. */
  forget(pid: string): void {
    const uid = this.#uids.get(pid);
    if (uid === undefined) return;
    this.#uids.delete(pid);
    const pids = this.#pids.get(uid);
    pids?.delete(pid);
    if (pids?.size === 0) this.#pids.delete(uid);
  }

  /** Drops everything: process numbers come round again, also between two looks. */
  forgetAll(): void {
    this.#outsiders.clear();
    this.#uids.clear();
    this.#pids.clear();
  }

  #cgroupsOf(pid: string): string | undefined {
    try {
      return readFileSync(join(this.#proc, pid, "cgroup"), "utf8");
    } catch {
      return undefined;
    }
  }

  #look(pid: string, now: number): void {
    if (this.#uids.has(pid)) return;
    const known = this.#outsiders.get(pid);
    if (known !== undefined && now < known.again) return;
    const uid = this.podOf(pid);
    if (uid === undefined) {
      this.#outsiders.set(pid, nextLook(known, now));
      return;
    }
    this.#outsiders.delete(pid);
    this.#uids.set(pid, uid);
    this.#pids.getOrInsertComputed(uid, () => new Set()).add(pid);
  }
}

function nextLook(known: Outsider | undefined, now: number): Outsider {
  if (known === undefined) return { seen: now, again: now + FIRST_AGAIN_MS };
  const age = now - known.seen;
  return { seen: known.seen, again: age > SETTLED_MS ? Number.POSITIVE_INFINITY : now + age };
}

function isPid(name: string): boolean {
  const first = name.charCodeAt(0);
  return first >= 0x31 && first <= 0x39;
}
