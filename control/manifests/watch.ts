/**
 * Watches directories and files of manifests and reports, file by file, what is worth reading again.
 * inotify tells at once; a slow rescan catches what inotify can lose (overflow, odd file systems).
 */

import { type FSWatcher, type Stats, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/** After a rename the content is complete: wait only to batch a burst. */
const AFTER_RENAME_MS = 2;
/** After a write more writes may follow: wait for this much quiet… */
const AFTER_WRITE_MS = 12;
/** …but a file written without end is read at least this often. */
const MAX_WAIT_MS = 250;

/** Where manifests are, and who wants to know. */
export interface WatchOptions {
  /** Directories (not recursive, as kubectl) or single files; each must exist. */
  readonly paths: readonly string[];
  /** The files that may have changed, appeared or gone. Must not throw. */
  readonly onFiles: (files: readonly string[]) => void;
  /** A directory can't be listed any more (its files are not reported as gone), or can again: undefined. */
  readonly onTrouble: (directory: string, problem: string | undefined) => void;
  readonly rescanMs: number;
}

/** A directory that is watched; `only` names the files of interest when single files were given. */
interface Directory {
  readonly path: string;
  readonly only: Set<string> | undefined;
  watcher: FSWatcher | undefined;
  inode: number;
}

/** Inotify watches on the paths' directories plus the rescan timer. Dispose to end. */
export class ManifestWatch {
  readonly #options: WatchOptions;
  readonly #directories: readonly Directory[];
  /** Files to report, with the time (performance.now) they were first and shall be read. */
  readonly #due = new Map<string, { first: number; at: number }>();
  /** mtime, size and inode of each file when last listed. */
  #stamps = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  readonly #rescanTimer: NodeJS.Timeout;
  #closed = false;

  private constructor(options: WatchOptions, directories: readonly Directory[]) {
    this.#options = options;
    this.#directories = directories;
    this.#rescanTimer = setInterval(() => void this.rescan(), options.rescanMs);
    this.#rescanTimer.unref();
  }

  /** Starts watching; the first report comes from the caller's own rescan(). Throws when a path is missing. */
  static async open(options: WatchOptions): Promise<ManifestWatch> {
    const opened = new ManifestWatch(options, await directoriesOf(options.paths));
    for (const directory of opened.#directories) opened.#watch(directory);
    return opened;
  }

  /** Ends watching; nothing is reported afterwards. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#rescanTimer);
    clearTimeout(this.#timer);
    for (const directory of this.#directories) directory.watcher?.close();
  }

  /** Lists everything and reports what differs from the last time. */
  async rescan(): Promise<void> {
    const stamps = new Map<string, string>();
    for (const directory of this.#directories) await this.#list(directory, stamps);
    if (this.#closed) return;
    const changed = new Set<string>();
    for (const [file, stamp] of stamps) if (this.#stamps.get(file) !== stamp) changed.add(file);
    for (const file of this.#stamps.keys()) if (!stamps.has(file)) changed.add(file);
    this.#stamps = stamps;
    if (changed.size > 0) this.#options.onFiles([...changed]);
  }

  /** Asks for a file to be reported again after a while (it looked half-written). */
  again(file: string, delayMs: number): void {
    this.#queue(file, delayMs);
  }

  async #list(directory: Directory, stamps: Map<string, string>): Promise<void> {
    try {
      const self = await stat(directory.path);
      if (directory.watcher === undefined || self.ino !== directory.inode) this.#watch(directory);
      directory.inode = self.ino;
      for (const name of await readdir(directory.path)) {
        if (!wanted(directory, name)) continue;
        const file = join(directory.path, name);
        const stats = await stat(file).catch(() => undefined);
        if (stats?.isFile()) stamps.set(file, stampOf(stats));
      }
      this.#options.onTrouble(directory.path, undefined);
    } catch (cause) {
      // A directory that vanished must not empty the world: what was known stays.
      for (const [file, stamp] of this.#stamps)
        if (dirname(file) === directory.path) stamps.set(file, stamp);
      this.#options.onTrouble(directory.path, messageOf(cause));
    }
  }

  #watch(directory: Directory): void {
    directory.watcher?.close();
    try {
      const watcher = watch(directory.path, (event, name) => {
        if (name === null) void this.rescan();
        else if (wanted(directory, name))
          this.#queue(
            join(directory.path, name),
            event === "rename" ? AFTER_RENAME_MS : AFTER_WRITE_MS,
          );
      });
      watcher.on("error", () => {
        watcher.close();
        // The next rescan tries again; until then the rescan itself is the watch.
        if (directory.watcher === watcher) directory.watcher = undefined;
      });
      directory.watcher = watcher;
    } catch (cause) {
      directory.watcher = undefined;
      this.#options.onTrouble(directory.path, messageOf(cause));
    }
  }

  #queue(file: string, delayMs: number): void {
    if (this.#closed) return;
    const now = performance.now();
    const first = this.#due.get(file)?.first ?? now;
    const at = Math.min(now + delayMs, first + Math.max(MAX_WAIT_MS, delayMs));
    this.#due.set(file, { first, at });
    this.#timer ??= setTimeout(() => this.#report(), delayMs);
  }

  #report(): void {
    this.#timer = undefined;
    const now = performance.now();
    const ready: string[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const [file, { at }] of this.#due) {
      // Timers may fire up to a millisecond early.
      if (at <= now + 1) ready.push(file);
      else next = Math.min(next, at);
    }
    for (const file of ready) this.#due.delete(file);
    if (next < Number.POSITIVE_INFINITY)
      this.#timer = setTimeout(() => this.#report(), Math.max(1, next - now));
    if (ready.length > 0) this.#options.onFiles(ready);
  }
}

async function directoriesOf(paths: readonly string[]): Promise<readonly Directory[]> {
  const directories = new Map<string, Directory>();
  for (const path of paths) {
    const stats = await stat(path);
    const [where, only] = stats.isDirectory() ? [path, undefined] : [dirname(path), basename(path)];
    const known = directories.get(where);
    if (known === undefined) {
      const inode = stats.isDirectory() ? stats.ino : (await stat(where)).ino;
      const names = only === undefined ? undefined : new Set([only]);
      directories.set(where, { path: where, only: names, watcher: undefined, inode });
    } else if (only === undefined) directories.set(where, { ...known, only: undefined });
    else known.only?.add(only);
  }
  return [...directories.values()];
}

/** Hidden files and other endings are left alone: editors and atomic writers use them on their way. */
function wanted(directory: Directory, name: string): boolean {
  if (directory.only !== undefined) return directory.only.has(name);
  return !name.startsWith(".") && /\.(ya?ml|json)$/.test(name);
}

function stampOf(stats: Stats): string {
  return `${stats.mtimeMs} ${stats.size} ${stats.ino}`;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
