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

/** The process id of the simulation's supervisor when that process is alive and really is one. */
export function livingSupervisor(sim: SimPaths): number | undefined {
  try {
    const pid = Number(readFileSync(sim.pidFile, "utf8"));
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return command.includes("deploy/sim/main.ts") ? pid : undefined;
  } catch {
    return undefined;
  }
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
