/** Where in the cgroup v2 tree this process is: programs attached to a cgroup see only what is below it. */

import { readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Whether this process is in the cgroup of that directory or below it. The agent must be: otherwise its own
 * connections are not noted, and inbound ones would be caught again and again.
 */
export function isInsideCgroup(directory: string): boolean {
  const wanted = statSync(directory);
  for (let place = ownCgroup(); place !== undefined; place = parentOf(place)) {
    const stat = statSync(place, { throwIfNoEntry: false });
    if (stat?.ino === wanted.ino && stat.dev === wanted.dev) return true;
  }
  return false;
}

/** The number by which the kernel knows a cgroup: its directory's inode. */
export function cgroupId(directory: string): bigint {
  return statSync(directory, { bigint: true }).ino;
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
