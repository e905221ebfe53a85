/** A node cut off from everything outside of it for a while. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { processesOf } from "../../deploy/sim/cgroups.ts";
import { until } from "../support/until.ts";
import { controlCgroup, keeperOf, partitionScript } from "./control/network.ts";
import { inCgroups, lastLines, startDetached } from "./processes.ts";
import type { ClusterPaths } from "./spec.ts";

const BEGIN_DEADLINE_MS = 5_000;
const SLACK_MS = 10_000;

/**
 * Cuts a node off and resolves when it is joined again. A process of its own does both, so that the node is joined
 * again also when we die meanwhile. Throws when that took less time than asked for: nothing was cut, or not for long.
 */
export async function partition(paths: ClusterPaths, node: string, seconds: number): Promise<void> {
  const cgroup = controlCgroup(paths, `partition-${node}`);
  mkdirSync(cgroup, { recursive: true });
  if (processesOf(cgroup).length > 0) throw new Error(`${node} is cut off already`);
  const enter = ["nsenter", "-t", String(keeperOf(paths)), "-n", "/bin/sh", "-ec"];
  const log = join(paths.logs, "partition.log");
  const from = performance.now();
  startDetached(inCgroups([cgroup], [...enter, partitionScript(node, seconds)]), log);
  const busy = () => processesOf(cgroup).length > 0;
  await until(`${node} is cut off`, busy, BEGIN_DEADLINE_MS);
  await until(`${node} is joined again`, () => !busy(), seconds * 1000 + SLACK_MS);
  const lasted = performance.now() - from;
  if (lasted < seconds * 1000)
    throw new Error(
      `${node} was cut off for ${(lasted / 1000).toFixed(1)} s at most, not ${seconds}: ${lastLines(log)}`,
    );
}
