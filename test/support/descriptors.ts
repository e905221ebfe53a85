/** Finds leaked descriptors: what this process has open, before and after. */

import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";

/** Every open descriptor with what it is (`socket:[123]`, `anon_inode:[eventpoll]`, a path). */
export function openDescriptors(): Map<number, string> {
  const open = new Map<number, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      open.set(Number(name), readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The directory's own descriptor is gone by now.
    }
  }
  return open;
}

/** Fails when descriptors are open now that were not in `before`, and names them. */
export function assertNoNewDescriptors(before: Map<number, string>, context: string = ""): void {
  const leaked = [...openDescriptors()].filter(([fd, what]) => before.get(fd) !== what);
  assert.deepEqual(leaked, [], `leaked descriptors ${context}`);
}
