/**
 * What a cluster, and the tests in it, can leave behind on this machine. Only what is known to be theirs is looked at:
 * whoever works beside them is none of their business. Network namespaces and BPF objects live by processes and mounts.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { processesOf } from "../../deploy/sim/cgroups.ts";
import { mountsIn } from "../support/machine-state.ts";
import { hierarchies } from "./cgroups.ts";
import { MASKED_SETTINGS } from "./node/files.ts";
import type { ClusterPaths } from "./spec.ts";

/** Name of the environment variable that marks the processes of a run of tests, and so their children. */
export const RUN_MARK = "NODEMESH_TEST_RUN";

/** Its processes and those that carry `mark`, its cgroups, mounts, link and files, and the settings that it must not change, as words. */
export function clusterTraces(paths: ClusterPaths, mark: string): ReadonlySet<string> {
  const cgroups = hierarchies().map(({ point }) => join(point, paths.cgroup));
  return new Set([
    ...[...processesOf(cgroups.at(-1) ?? ""), ...marked(mark)].map(
      (pid) => `process ${pid} (${textOf(`/proc/${pid}/comm`).trim()})`,
    ),
    ...cgroups.filter((path) => existsSync(path)).map((path) => `cgroup ${path}`),
    ...mountsIn(textOf("/proc/self/mountinfo"))
      .filter(({ point }) => point.startsWith(`${paths.root}/`))
      .map(({ point }) => `mount ${point}`),
    ...(existsSync(`/sys/class/net/${paths.link}`) ? [`link ${paths.link}`] : []),
    ...(existsSync(paths.root) ? [`folder ${paths.root}`] : []),
    // Another value is another word, and so a change is seen.
    ...MASKED_SETTINGS.map((name) => `setting ${name} = ${textOf(`/proc/sys/${name}`).trim()}`),
  ]);
}

function marked(mark: string): readonly number[] {
  const wanted = `${RUN_MARK}=${mark}`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid)
    .filter((pid) => textOf(`/proc/${pid}/environ`).split("\0").includes(wanted));
}

/** A file's text, or nothing when what it belongs to has ended. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
