/**
 * A store of built programs: an entry is a folder that appears under its final name only when everything in it
 * was built and verified, by one rename. Knows nothing of Go or Kubernetes; imports only Node. Must never
 * return, overwrite or repair a half-built entry: what an interrupted build left is removed by the next one.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";

const UNFINISHED = ".unfinished-";

/** One thing to have in the store. */
export interface Entry {
  /** What it is, for messages and as the first part of its name: lower-case letters and digits. */
  readonly family: string;
  /** All that its content depends on, short enough for a file name. */
  readonly key: string;
  /** Free space a build needs in the store's file system, in bytes. */
  readonly freeBytes: number;
  /** Fills the empty folder; throws when it cannot, or when the result is not what was asked for. */
  readonly build: (folder: string) => Promise<void>;
}

/**
 * The folder of `entry` in `store`, built first when it is not there. One builder at a time per family: others
 * wait, and then find it. Throws what the build throws; nothing of a failed build stays.
 */
export async function ensureStored(
  store: string,
  entry: Entry,
  report: (line: string) => void,
): Promise<string> {
  const folder = join(store, `${entry.family}-${entry.key}`);
  if (existsSync(folder)) return folder;
  mkdirSync(store, { recursive: true });
  const release = await lock(join(store, `.lock-${entry.family}`), () =>
    report(`${entry.family}: another process builds it; waiting`),
  );
  try {
    if (existsSync(folder)) return folder;
    await buildAside(store, folder, entry);
    return folder;
  } finally {
    release();
  }
}

async function buildAside(store: string, folder: string, entry: Entry): Promise<void> {
  const prefix = `${UNFINISHED}${entry.family}-`;
  // The lock is ours: whoever left these is dead.
  for (const name of readdirSync(store))
    if (name.startsWith(prefix)) rmSync(join(store, name), { recursive: true, force: true });
  const { bavail, bsize } = statfsSync(store);
  if (bavail * bsize < entry.freeBytes)
    throw new Error(
      `${entry.family}: building needs ${gigabytes(entry.freeBytes)} free in ${store}, there are ${gigabytes(bavail * bsize)}: free some, or set NODEMESH_CACHE to a folder on another disk`,
    );
  const aside = join(store, `${prefix}${entry.key}`);
  mkdirSync(aside);
  try {
    await entry.build(aside);
    renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
}

/**
 * Takes an exclusive kernel lock on `path`; the result gives it back. It is held by a child that ends with its
 * standard input, so that the kernel frees it however this process ends: no lock is ever stale.
 */
async function lock(path: string, onWait: () => void): Promise<() => void> {
  const first = await tryLock(["--nonblock", path]);
  if (first !== undefined) return first;
  onWait();
  const second = await tryLock([path]);
  if (second === undefined)
    throw new Error(`flock ${path} failed: is util-linux installed, and is the folder writable?`);
  return second;
}

/** undefined when flock ended without the lock. */
function tryLock(args: readonly string[]): Promise<(() => void) | undefined> {
  // A group of its own: an interrupt from the terminal must not free the lock while the build still ends.
  const child = spawn("flock", ["--exclusive", ...args, "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "ignore"],
    detached: true,
  });
  return new Promise((resolve) => {
    child.once("error", () => resolve(undefined));
    child.once("close", () => resolve(undefined));
    child.stdout.once("data", () => resolve(() => child.stdin.end()));
  });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}
