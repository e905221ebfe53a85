/**
 * Finds pods' network namespaces on a node of a real cluster: a process whose cgroup names the pod is in it. Needs
 * nothing but /proc, so it works with every runtime, CNI plugin and cgroup layout. Two ways to be quick without
 * being busy: events of the cgroup directories say when to look, and while a pod is expected it looks by a timer.
 */

import { closeSync, fstatSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { CgroupWatch } from "./cgroup-watch.ts";
import type { AbsentReason, Located, PodLocator } from "./locator.ts";
import { ProcessIndex } from "./process-index.ts";

/** Where to look. */
export interface ProcLocatorOptions {
  /** A procfs that shows the node's processes; in a container with hostPID any will do. */
  readonly proc: string;
  /** Where cgroups are mounted, for events: all of them, v1 and v2. */
  readonly cgroups: string;
}

/** How often pods that were found are looked after: does the namespace still exist? */
const CARE_MS = 1000;
/**
 * While something is expected and something changed just now. A look at 2,100 processes takes 2.6 ms: this is a
 * tenth of a core…
 */
const EAGER_MS = 25;
/** …for this long: the runtime moves a process into its new cgroup within that time. Without events, longer. */
const EAGER_FOR_MS = 1000;
const EAGER_BLIND_MS = 3000;
/** Then more and more rarely, up to this. */
const LAST_DELAY_MS = 1000;
/** Several events at once are one look. */
const SETTLE_MS = 2;
/** A look that young is good enough for another question. */
const FRESH_MS = 10;
/** Every process is read again this often: numbers come round. */
const FORGET_MS = 30_000;
/** How often the directories of pods are searched for when there are none yet. */
const SEARCH_MS = 5000;

/** A namespace, and a process that is in it. */
interface Place {
  readonly pid: string;
  readonly inode: number;
}

/** See the file's head. */
export class ProcLocator implements PodLocator {
  readonly #proc: string;
  readonly #index: ProcessIndex;
  readonly #watch: CgroupWatch;
  readonly #found = new Map<string, readonly Place[]>();
  readonly #expected = new Map<string, AbsentReason>();
  readonly #host: number = statSync("/proc/thread-self/ns/net").ino;
  #listener: (uid: string) => void = () => undefined;
  #timer: NodeJS.Timeout | undefined;
  #due = Number.POSITIVE_INFINITY;
  #changed = now();
  #looked = Number.NEGATIVE_INFINITY;
  #forgot = now();
  #cared = now();
  #searched = now();

  constructor({ proc, cgroups }: ProcLocatorOptions) {
    this.#proc = proc;
    this.#index = new ProcessIndex(proc, now);
    this.#watch = new CgroupWatch(cgroups, () => this.#somethingChanged());
    this.#watch.start();
  }

  locate(uid: string): Located {
    const known = this.#found.get(uid);
    if (known?.every((place) => this.#isThere(place))) return this.#located(uid, known);
    this.#found.delete(uid);
    const isNew = !this.#expected.has(uid);
    if (known !== undefined || isNew) this.#look();
    const places = this.#search(uid);
    if (typeof places !== "string") {
      this.#found.set(uid, places);
      this.#expected.delete(uid);
      this.#plan(CARE_MS);
      return this.#located(uid, places);
    }
    this.#expected.set(uid, places);
    if (isNew) this.#changed = now();
    this.#plan(EAGER_MS);
    return { kind: "absent", reason: places };
  }

  onChange(listener: (uid: string) => void): void {
    this.#listener = listener;
  }

  forget(uid: string): void {
    this.#expected.delete(uid);
    this.#found.delete(uid);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#due = Number.NEGATIVE_INFINITY;
    this.#watch[Symbol.dispose]();
    this.#expected.clear();
    this.#found.clear();
  }

  #located(uid: string, places: readonly Place[]): Located & { kind: "found" } {
    const namespaces = places.map(({ pid, inode }) => {
      return { path: this.#netnsOf(pid), inode, confirm: () => this.#index.podOf(pid) === uid };
    });
    return { kind: "found", namespaces };
  }

  /** The namespaces of the pod's processes, one process each; one that has gone meanwhile says nothing. */
  #search(uid: string): readonly Place[] | AbsentReason {
    const places = new Map<number | undefined, Place>();
    let reason: AbsentReason = "no-such-pod";
    for (const pid of [...this.#index.pidsOf(uid)]) {
      if (places.has(this.#inodeOf(pid))) continue;
      const inode = this.#confirmedInode(pid, uid);
      if (inode === "not-permitted") reason = inode;
      else if (inode === undefined) this.#index.forget(pid);
      // The runtime's first process is in the node's namespace before it enters the pod's: not the last word.
      else if (inode === this.#host) reason = "host-network";
      else places.set(inode, { pid, inode });
    }
    return places.size > 0 ? [...places.values()] : reason;
  }

  /** While the namespace is held open the process must still be the pod's: its number can't have been given away before. */
  #confirmedInode(pid: string, uid: string): number | "not-permitted" | undefined {
    let fd: number | undefined;
    try {
      fd = openSync(this.#netnsOf(pid), "r");
      const { ino } = fstatSync(fd);
      return this.#index.podOf(pid) === uid ? ino : undefined;
    } catch (cause) {
      return isRefusal(cause) ? "not-permitted" : undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  }

  #isThere({ pid, inode }: Place): boolean {
    return this.#inodeOf(pid) === inode;
  }

  #inodeOf(pid: string): number | undefined {
    try {
      return statSync(this.#netnsOf(pid)).ino;
    } catch {
      return undefined;
    }
  }

  #netnsOf(pid: string): string {
    return join(this.#proc, pid, "ns/net");
  }

  #look(): void {
    const time = now();
    if (time - this.#looked < FRESH_MS) return;
    if (time - this.#forgot > FORGET_MS) {
      this.#forgot = time;
      this.#index.forgetAll();
    }
    this.#looked = time;
    this.#index.refresh();
  }

  #somethingChanged(): void {
    this.#changed = now();
    if (this.#expected.size + this.#found.size > 0) this.#plan(SETTLE_MS);
  }

  /** Looks in at most that time; an earlier plan stands. */
  #plan(delayMs: number): void {
    const due = now() + delayMs;
    if (this.#due <= due) return;
    clearTimeout(this.#timer);
    this.#due = due;
    this.#timer = setTimeout(() => this.#turn(), delayMs).unref();
  }

  #turn(): void {
    this.#due = Number.POSITIVE_INFINITY;
    this.#care();
    if (this.#expected.size > 0) this.#lookForExpected();
    if (this.#expected.size > 0) this.#plan(this.#delay());
    else if (this.#found.size > 0) this.#plan(CARE_MS);
  }

  #delay(): number {
    const quiet = now() - this.#changed;
    const eager = this.#watch.watching ? EAGER_FOR_MS : EAGER_BLIND_MS;
    return quiet < eager ? EAGER_MS : Math.min(quiet / 8, LAST_DELAY_MS);
  }

  #lookForExpected(): void {
    this.#findDirectories();
    this.#looked = Number.NEGATIVE_INFINITY;
    this.#look();
    for (const [uid, before] of [...this.#expected])
      if (this.#search(uid) !== before) this.#listener(uid);
  }

  #findDirectories(): void {
    const time = now();
    if (this.#watch.watching || time - this.#searched < SEARCH_MS) return;
    this.#searched = time;
    this.#watch.start();
  }

  /** Tells of pods one of whose namespaces is gone, or whose process there is. */
  #care(): void {
    const time = now();
    if (time - this.#cared < CARE_MS && time - this.#changed > EAGER_FOR_MS) return;
    this.#cared = time;
    for (const [uid, places] of [...this.#found])
      if (!places.every((place) => this.#isThere(place))) this.#listener(uid);
  }
}

function isRefusal(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && /^(?:EACCES|EPERM)$/.test(String(cause.code));
}

function now(): number {
  return performance.now();
}
