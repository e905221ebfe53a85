/**
 * Tells that something changed in the cgroups of pods: kubelet and the runtime make and remove directories there,
 * which raises inotify events in v1 and v2 alike. Only a hint that it is worth looking: who relies on it alone
 * would miss what happened before the watch, and everything on a node where nothing can be watched.
 */

import type { FSWatcher } from "node:fs";
import { readdirSync, watch } from "node:fs";
import { join } from "node:path";
import { holdsAllPods, holdsPods, podUidOfDirectory } from "./pod-cgroup.ts";

/** Below a mount of cgroups: /, a controller, a node's own directory (kubelet's cgroupRoot), perhaps one more. */
const SEARCH_DEPTH = 4;
/** Bounds the search on a machine with an unusual tree. */
const SEARCH_DIRECTORIES = 4000;

/** See the file's head. */
export class CgroupWatch implements Disposable {
  readonly #root: string;
  readonly #onChange: () => void;
  readonly #watchers = new Map<string, FSWatcher>();

  /** `root`: where cgroups are mounted, for example /sys/fs/cgroup. */
  constructor(root: string, onChange: () => void) {
    this.#root = root;
    this.#onChange = onChange;
  }

  /** Whether pods' directories have been found and are watched. */
  get watching(): boolean {
    return this.#watchers.size > 0;
  }

  /** Looks for directories that hold pods and watches them; again: also those that have appeared since. */
  start(): void {
    for (const holder of findHolders(this.#root)) this.#watchTree(holder);
  }

  [Symbol.dispose](): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  #watchTree(path: string): void {
    if (!this.#watch(path)) return;
    for (const name of directoriesIn(path)) this.#follow(join(path, name), name);
  }

  /** Pods' own directories are watched too: their containers appear in them. */
  #follow(path: string, name: string): void {
    if (holdsPods(name)) this.#watchTree(path);
    else if (podUidOfDirectory(name) !== undefined) this.#watch(path);
  }

  /** False when it is watched already or can't be. */
  #watch(path: string): boolean {
    if (this.#watchers.has(path)) return false;
    try {
      const watcher = watch(path, (_event, name) => this.#changed(path, name));
      watcher.on("error", () => this.#unwatch(path));
      watcher.unref();
      this.#watchers.set(path, watcher);
      return true;
    } catch {
      // Gone meanwhile, or no more watches (fs.inotify.max_user_watches): polling finds the pod.
      return false;
    }
  }

  #changed(path: string, name: string | null): void {
    if (name !== null) this.#update(join(path, name), name);
    this.#onChange();
  }

  #update(path: string, name: string): void {
    if (!holdsPods(name) && podUidOfDirectory(name) === undefined) return;
    // Also when it was there: it may have been removed and made anew.
    this.#unwatch(path);
    this.#follow(path, name);
  }

  #unwatch(path: string): void {
    for (const [watched, watcher] of this.#watchers) {
      if (watched !== path && !watched.startsWith(`${path}/`)) continue;
      watcher.close();
      this.#watchers.delete(watched);
    }
  }
}

/** Breadth first, so that the outermost holders are found; nothing is searched below them. */
function findHolders(root: string): string[] {
  const found: string[] = [];
  let level = [root];
  let looked = 0;
  for (let depth = 0; depth <= SEARCH_DEPTH && looked < SEARCH_DIRECTORIES; depth++) {
    const next: string[] = [];
    for (const path of level) {
      if (++looked > SEARCH_DIRECTORIES) break;
      for (const name of directoriesIn(path))
        (holdsAllPods(name) ? found : next).push(join(path, name));
    }
    level = next;
  }
  return oneHierarchy(found, root);
}

/** In v1 every controller has the same tree: watching one is enough, and the first is as good as any. */
function oneHierarchy(paths: readonly string[], root: string): string[] {
  const byTail = new Map<string, string>();
  for (const path of paths) {
    const [, controller = "", ...tail] = path.slice(root.length).split("/");
    const key = tail.length === 0 ? controller : tail.join("/");
    if (!byTail.has(key)) byTail.set(key, path);
  }
  return [...byTail.values()];
}

function directoriesIn(path: string): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  } catch {
    return [];
  }
}
