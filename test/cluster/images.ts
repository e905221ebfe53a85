/** Images on nodes: archives go into containerd through its standard input, because a node sees no file of ours. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { open } from "node:fs/promises";
import { enterCommand } from "./node/node.ts";
import { nodePlans } from "./plan.ts";
import { ENVIRONMENT } from "./processes.ts";
import type { ClusterPaths, ClusterSpec } from "./spec.ts";

const IMPORT = ["ctr", "-n", "k8s.io", "images", "import", "-"];

/** Imports image archives into one node, one after another. */
export async function loadIntoNode(
  paths: ClusterPaths,
  node: string,
  archives: readonly string[],
): Promise<void> {
  for (const archive of archives) await importOne(paths, node, archive);
}

/** Imports image archives into every node. */
export async function loadImages(
  paths: ClusterPaths,
  spec: ClusterSpec,
  archives: readonly string[],
): Promise<void> {
  await Promise.all(nodePlans(spec.nodes).map(({ name }) => loadIntoNode(paths, name, archives)));
}

async function importOne(paths: ClusterPaths, node: string, archive: string): Promise<void> {
  const [file = "", ...args] = enterCommand(paths, node, "exec", IMPORT);
  await using opened = await open(archive);
  const env = { ...ENVIRONMENT };
  const child = spawn(file, args, { stdio: [opened.fd, "pipe", "pipe"], env });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (bytes: Buffer) => {
      said += bytes.toString();
    });
  const [code] = await once(child, "close");
  if (code !== 0)
    throw new Error(
      `${node} does not take the image ${archive}: ${said.trim()}; is it an OCI or docker archive?`,
    );
}
