/** A cluster's cgroups: one child of its own in every hierarchy of the machine, v1 and v2. */

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { removeCgroup } from "../../deploy/sim/cgroups.ts";

/** One mounted hierarchy. */
export interface Hierarchy {
  readonly point: string;
  readonly kind: "v1" | "v2";
  /** Mount options that name a v1 hierarchy: its controllers, or `none,name=X`. */
  readonly options: string;
}

/** v1 words of a mount's options that say how it is mounted, not which hierarchy it is. */
const PLAIN_OPTIONS = new Set(["rw", "ro", "nosuid", "nodev", "noexec", "relatime", "xattr"]);

/** A node's end: the kernel takes some hundred processes, their mounts and network namespaces apart. */
const KILL_DEADLINE_MS = 30_000;

/** The hierarchies of /proc/self/mounts (its text as `mounts`). */
export function hierarchiesIn(mounts: string): readonly Hierarchy[] {
  return mounts.split("\n").flatMap((line): Hierarchy[] => {
    const [, point = "", type, options = ""] = line.split(" ");
    if (type === "cgroup2") return [{ point, kind: "v2", options: "" }];
    if (type !== "cgroup") return [];
    const words = options
      .split(",")
      .filter((word) => !(PLAIN_OPTIONS.has(word) || word.includes("=/")));
    const named = words.some((word) => word.startsWith("name="));
    const v1 = named && words.length === 1 ? ["none", ...words] : words;
    return [
      { point, kind: "v1", options: v1.filter((w) => !w.startsWith("release_agent")).join(",") },
    ];
  });
}

/** The machine's hierarchies, the v2 one last. Throws with a next step when there is no v2 one. */
export function hierarchies(): readonly Hierarchy[] {
  const all = hierarchiesIn(readFileSync("/proc/self/mounts", "utf8"));
  const v2 = all.find(({ kind }) => kind === "v2");
  if (v2 === undefined)
    throw new Error("no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified");
  return [...all.filter(({ kind }) => kind === "v1"), v2];
}

/** Where the v2 hierarchy is mounted. */
export function v2Root(): string {
  const v2 = hierarchies().at(-1);
  return v2?.point ?? "";
}

/** Makes a cgroup in every hierarchy and returns their paths. */
export function makeEverywhere(cgroup: string): readonly string[] {
  return hierarchies().map(({ point, options }) => {
    const path = join(point, cgroup);
    mkdirSync(path, { recursive: true });
    if (options.split(",").includes("cpuset")) fillCpuset(point, cgroup);
    return path;
  });
}

/** A new v1 cpuset (`cgroup` below `point`) is empty and takes no process: it gets what its parent has, from the top down. */
export function fillCpuset(point: string, cgroup: string): void {
  let path = point;
  for (const part of cgroup.split("/")) {
    const parent = path;
    path = join(path, part);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const own = readFileSync(join(path, file), "utf8").trim();
      if (own === "") writeFileSync(join(path, file), readFileSync(join(parent, file)));
    }
  }
}

/** Ends every process in a cgroup (found by its v2 half), and removes it everywhere. Safe to run at any time. */
export async function removeEverywhere(cgroup: string): Promise<void> {
  const all = hierarchies();
  // v2 first: all processes are in it, and it can end them at once. The others then only wait to be removed.
  for (const { point } of all.toReversed())
    await removeCgroup(join(point, cgroup), KILL_DEADLINE_MS);
  for (const { point } of all) removeIfEmpty(dirname(join(point, cgroup)), point);
}

/** The folder that all clusters share goes with the last of them. */
function removeIfEmpty(path: string, root: string): void {
  if (path === root || !existsSync(path)) return;
  if (readdirSync(path, { withFileTypes: true }).some((entry) => entry.isDirectory())) return;
  try {
    rmdirSync(path);
  } catch {
    // A cgroup of another cluster has just been made in it.
  }
}
