/** Where in the cgroup v2 tree this process is: programs attached to a cgroup see only what is below it. */

import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/** Directories looked at for this process's own cgroup, where its path is hidden by a cgroup namespace. */
const SEARCH_DIRECTORIES = 20_000;

/**
 * Whether this process is in the cgroup of that directory or below it. The agent must be: otherwise its own
 * connections are not noted, and inbound ones would be caught again and again.
 */
export function isInsideCgroup(directory: string): boolean {
  return isRoot(directory) || isOnOwnPath(directory) || holdsThisProcess(directory);
}

/** The number by which the kernel knows a cgroup: its directory's inode. */
export function cgroupId(directory: string): bigint {
  return statSync(directory, { bigint: true }).ino;
}

/**
 * The directory that was asked for, or for `auto` where this process sees cgroup v2 mounted (on a hybrid node
 * /sys/fs/cgroup/unified). Throws with what to do when it is not a cgroup v2 directory.
 */
export function resolveCgroup(wanted: string): string {
  const directory = wanted === "auto" ? cgroup2Mount() : wanted;
  if (directory === undefined)
    throw new Error(
      "this node has no cgroup v2 mounted, and only there can connects be caught (v1 may stay beside it): run there: " +
        "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified, or boot it with " +
        "systemd.unified_cgroup_hierarchy=1. If it has one, mount the node's /sys/fs/cgroup into the agent's " +
        "container (hostPath), or name the directory: --cgroup DIRECTORY",
    );
  if (!isCgroup2(directory))
    throw new Error(
      `${directory} is not a directory of cgroup v2: give --cgroup auto, or the directory below which pods are`,
    );
  return directory;
}

/** Only the root has no type: everything is below it. Not seen as `/` by a process with a cgroup namespace. */
function isRoot(directory: string): boolean {
  return isCgroup2(directory) && !existsSync(join(directory, "cgroup.type"));
}

/** Version 1 has no such file. */
function isCgroup2(directory: string): boolean {
  return existsSync(join(directory, "cgroup.controllers"));
}

function isOnOwnPath(directory: string): boolean {
  const wanted = statSync(directory);
  for (let place = ownCgroup(); place !== undefined; place = parentOf(place)) {
    const stat = statSync(place, { throwIfNoEntry: false });
    if (stat?.ino === wanted.ino && stat.dev === wanted.dev) return true;
  }
  return false;
}

/** In a container /proc/self/cgroup may say `/` whatever the truth: the lists of processes don't. */
function holdsThisProcess(directory: string): boolean {
  const waiting = [directory];
  const own = String(process.pid);
  for (let looked = 0; looked < SEARCH_DIRECTORIES; looked++) {
    const place = waiting.pop();
    if (place === undefined) return false;
    if (processesOf(place).includes(own)) return true;
    waiting.push(...directoriesIn(place));
  }
  return false;
}

/** A directory may go while it is looked at, and a threaded one does not tell. */
function processesOf(place: string): string[] {
  try {
    return text(join(place, "cgroup.procs")).split("\n");
  } catch {
    return [];
  }
}

function directoriesIn(place: string): string[] {
  try {
    return readdirSync(place, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(place, name));
  } catch {
    return [];
  }
}

/** The mount of the whole tree comes first: a container may have another one, of its own part. */
function cgroup2Mount(): string | undefined {
  const mounts = text("/proc/self/mountinfo").matchAll(/^\S+ \S+ \S+ (\S+) (\S+) .* - cgroup2 /gm);
  const places = [...mounts].map(([, , place]) => place).filter((place) => place !== undefined);
  return places.find((place) => isRoot(place)) ?? places[0];
}

function ownCgroup(): string | undefined {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(text("/proc/self/mountinfo"))?.[1];
  const path = /^0::(\/.*)$/m.exec(text("/proc/self/cgroup"))?.[1];
  return mount === undefined || path === undefined ? undefined : join(mount, path);
}

function parentOf(place: string): string | undefined {
  const parent = dirname(place);
  return parent === place ? undefined : parent;
}

function text(path: string): string {
  return readFileSync(path, "utf8");
}
