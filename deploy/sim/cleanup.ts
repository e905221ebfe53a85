/** Removes what a simulation left: processes, cgroups, mounts, namespaces, files. Safe to run at any time. */

import { existsSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { detachMount } from "../../agent/kernel/namespace-calls.ts";
import { removeCgroup } from "./cgroups.ts";
import type { SimPaths } from "./paths.ts";

/** Removes everything but the log (a start that failed is read there); returns one line per kind of leftover that there was. */
export async function removeLeftovers(sim: SimPaths): Promise<readonly string[]> {
  const removed: string[] = [];
  if (existsSync(sim.cgroup)) removed.push(`processes and cgroups in ${sim.cgroup}`);
  await removeCgroup(sim.cgroup);
  removeEmptyParent(sim.cgroup);
  const mounts = mountsBelow(sim.root);
  if (mounts.length > 0) removed.push(`${mounts.length} mounts below ${sim.root}`);
  // The innermost first: a mount hides what is below it.
  for (const mount of mounts.toReversed()) detachMount(mount);
  if (existsSync(sim.root)) removed.push(`files in ${sim.root}`);
  rmSync(sim.root, { recursive: true, force: true });
  removeEmptyParent(sim.root);
  return removed;
}

/** Removes everything, and the log too. */
export async function removeAll(sim: SimPaths): Promise<readonly string[]> {
  rmSync(sim.log, { force: true });
  return removeLeftovers(sim);
}

/** What a supervisor writes of itself: its process id, and when it began, because ids are used again. */
export function supervisorMark(): string {
  return `${process.pid} ${startTime(process.pid)}`;
}

/** The process id of the simulation's supervisor when that very process is alive. */
export function livingSupervisor(sim: SimPaths): number | undefined {
  try {
    const [pid, began] = readFileSync(sim.pidFile, "utf8").split(" ");
    return startTime(Number(pid)) === began ? Number(pid) : undefined;
  } catch {
    return undefined;
  }
}

/** Clock ticks from boot to the start of a living process (proc(5): field 22 of stat). Throws when there is none. */
function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is a name in brackets that may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "", began = ""] = [fields[0], fields[19]];
  if (state === "Z") throw new Error(`process ${pid} has ended`);
  return began;
}

/** Mount points below (and at) a directory, in the order they were made. */
function mountsBelow(directory: string): readonly string[] {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path === directory || path.startsWith(`${directory}/`));
}

/** The directory that all simulations share goes with the last of them. */
function removeEmptyParent(path: string): void {
  try {
    rmdirSync(dirname(path));
  } catch {
    // Not empty: another simulation lives. Or already gone.
  }
}
