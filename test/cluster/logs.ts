/** What a cluster's programs and containers wrote, kept beyond its end. */

import { cpSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { ClusterPaths } from "./spec.ts";

/** Where a node's disk has the containers' logs. */
const OF_CONTAINERS = "var-log/pods";

/**
 * Copies the logs of a cluster's programs, the API server's audit log among them, and those of the pods that are still
 * known to their nodes into a folder: as much of it as there is.
 */
export function saveLogs({ logs, nodes }: ClusterPaths, folder: string): void {
  const save = (from: string, name: string): void => {
    if (existsSync(from)) cpSync(from, join(folder, name), { recursive: true });
  };
  save(logs, "programs");
  for (const node of existsSync(nodes) ? readdirSync(nodes) : [])
    save(join(nodes, node, OF_CONTAINERS), node);
}
