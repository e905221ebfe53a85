/** The simulator's own cgroup v2 tree: how its processes are found, and ended when all else failed. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** How long a pod's or a simulator's killed processes may take to go: one in an uninterruptible wait would block us for ever. */
const KILL_DEADLINE_MS = 5_000;
const KILL_POLL_MS = 10;

/** Makes a cgroup and those above it. */
export function createCgroup(path: string): void {
  mkdirSync(path, { recursive: true });
}

/** The ids of all processes in the cgroup and below; none when it does not exist. */
export function processesOf(path: string): readonly number[] {
  if (!existsSync(path)) return [];
  const own = readPids(join(path, "cgroup.procs"));
  return [...own, ...children(path).flatMap(processesOf)];
}

/** Sends SIGKILL to every process in the cgroup and below, waits until they are gone, removes the cgroups; throws when they stay. */
export async function removeCgroup(
  path: string,
  deadlineMs: number = KILL_DEADLINE_MS,
): Promise<void> {
  if (!existsSync(path)) return;
  const deadline = Date.now() + deadlineMs;
  killAll(path);
  while (!removeTree(path)) {
    if (Date.now() > deadline)
      throw new Error(`processes ${processesOf(path).join(", ")} in ${path} do not die`);
    await sleep(KILL_POLL_MS);
    killAll(path);
  }
}

/** Sends SIGKILL to all processes of a cgroup, also to those being forked right now. */
function killAll(path: string): void {
  try {
    writeFileSync(join(path, "cgroup.kill"), "1");
  } catch {
    // Kernels before 5.14 have no cgroup.kill: one by one, and the caller's loop catches the newly forked.
    for (const pid of processesOf(path)) killOne(pid);
  }
}

function killOne(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Gone between reading the list and now: that is what was wanted.
  }
}

/** False when something in it still lives: a process that has ended keeps its cgroup busy until it is reaped. */
function removeTree(path: string): boolean {
  if (!existsSync(path)) return true;
  let empty = true;
  for (const child of children(path)) empty = removeTree(child) && empty;
  return empty && removeOne(path);
}

function removeOne(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (code === "EBUSY") return false;
    throw error;
  }
}

function children(path: string): readonly string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(path, entry.name));
}

function readPids(file: string): readonly number[] {
  try {
    return readFileSync(file, "utf8").split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
