/** `down`: removes everything of a cluster, however much of it there is. */

import { existsSync, rmdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { until } from "../support/until.ts";
import { removeEverywhere } from "./cgroups.ts";
import { run } from "./processes.ts";
import type { ClusterPaths } from "./spec.ts";

/** Removes all of a cluster's processes, cgroups, links and files. Safe to run at any time. */
export async function down(paths: ClusterPaths): Promise<void> {
  await removeEverywhere(paths.cgroup);
  // The link goes with the namespace of its other end, a moment after the last process there.
  if (hasLink(paths.link)) await run("ip", "link", "del", paths.link).catch(() => undefined);
  await until(`link ${paths.link} is gone`, () => !hasLink(paths.link));
  rmSync(paths.root, { recursive: true, force: true });
  try {
    rmdirSync(dirname(paths.root));
  } catch {
    // Another cluster lives. Or it is gone already.
  }
}

function hasLink(name: string): boolean {
  return existsSync(`/sys/class/net/${name}`);
}
