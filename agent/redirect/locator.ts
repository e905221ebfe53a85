/**
 * Where a pod's network namespace is. The simulator keeps a directory of namespaces by pod uid; in a
 * cluster the cgroups of processes say (proc-locator.ts).
 */

import type { FSWatcher } from "node:fs";
import { mkdirSync, statfsSync, statSync, watch } from "node:fs";
import { join } from "node:path";

/** Why a pod is not found (yet). */
export type AbsentReason =
  /** Nothing is known by that uid: the pod is not started yet, or gone. */
  | "no-such-pod"
  /** Its place exists but holds no network namespace: it is being made. */
  | "not-a-namespace"
  /** It is the node's own namespace (hostNetwork): the mesh must not touch it. */
  | "host-network"
  /** The pod runs, but the agent may not open /proc/PID/ns/net: it lacks the capability SYS_PTRACE. */
  | "not-permitted";

/** A network namespace that may be the pod's. */
export interface FoundNamespace {
  /** A file that can be opened as a network namespace. */
  readonly path: string;
  /** The namespace's inode: another number at the same path is another namespace. */
  readonly inode: number;
  /** To be asked while the namespace is held open: false when the path leads to another pod's by now. */
  readonly confirm?: () => boolean;
}

/** The answer about one pod. */
export type Located =
  | {
      readonly kind: "found";
      /**
       * At least one. A pod's processes may have made more of them (docker in docker, the sandbox of a browser,
       * PrivateNetwork of systemd): the pod's addresses tell which one is its own.
       */
      readonly namespaces: readonly FoundNamespace[];
    }
  | { readonly kind: "absent"; readonly reason: AbsentReason };

/** Finds pods' namespaces and tells when an answer may have changed. */
export interface PodLocator extends Disposable {
  /** The present answer; cheap enough to ask for every pod of every snapshot. */
  locate(uid: string): Located;
  /** Nobody waits for this pod any more. */
  forget(uid: string): void;
  /** From now on calls `listener` with the uid of each pod whose answer may have changed. One listener. */
  onChange(listener: (uid: string) => void): void;
}

/** f_type of nsfs, where namespaces live (linux/magic.h). */
const NSFS_MAGIC = 0x6e736673;
/** How long to look again at a file that is not a namespace yet: mounting on it raises no event. */
const FIRST_RETRY_MS = 2;
const LAST_RETRY_MS = 2000;

/** DIRECTORY/UID is the pod's namespace, bind-mounted there (or a symbolic link to it). */
export class DirectoryLocator implements PodLocator {
  readonly #directory: string;
  readonly #retries = new Map<string, NodeJS.Timeout>();
  #watcher: FSWatcher | undefined;

  /** Creates the directory when it is missing. */
  constructor(directory: string) {
    this.#directory = directory;
    mkdirSync(directory, { recursive: true });
  }

  locate(uid: string): Located {
    const path = join(this.#directory, uid);
    const inode = namespaceInode(path);
    if (typeof inode === "string") return { kind: "absent", reason: inode };
    if (inode === namespaceInode("/proc/thread-self/ns/net"))
      return { kind: "absent", reason: "host-network" };
    return { kind: "found", namespaces: [{ path, inode }] };
  }

  forget(uid: string): void {
    clearTimeout(this.#retries.get(uid));
    this.#retries.delete(uid);
  }

  onChange(listener: (uid: string) => void): void {
    this.#watcher?.close();
    this.#watcher = watch(this.#directory, (_event, name) => {
      if (name === null) return;
      this.#retry(name, FIRST_RETRY_MS, listener);
      listener(name);
    });
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
    for (const timer of this.#retries.values()) clearTimeout(timer);
    this.#retries.clear();
  }

  /** Tells again once the file has become a namespace; gives up when it is gone or takes too long. */
  #retry(uid: string, delayMs: number, listener: (uid: string) => void): void {
    clearTimeout(this.#retries.get(uid));
    this.#retries.delete(uid);
    const located = this.locate(uid);
    if (located.kind === "found" || located.reason !== "not-a-namespace") return;
    if (delayMs > LAST_RETRY_MS) return;
    const again = (): void => {
      this.#retry(uid, delayMs * 2, listener);
      listener(uid);
    };
    this.#retries.set(uid, setTimeout(again, delayMs).unref());
  }
}

/** The inode of the namespace behind a path, or why there is none. */
function namespaceInode(path: string): number | AbsentReason {
  try {
    if (statfsSync(path).type !== NSFS_MAGIC) return "not-a-namespace";
    return statSync(path).ino;
  } catch {
    return "no-such-pod";
  }
}
