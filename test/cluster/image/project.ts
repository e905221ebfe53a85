/** The images of this checkout, built for the nodes of a cluster. */

import { rmSync } from "node:fs";
import { join } from "node:path";
import { IMAGE_NAMES } from "../../../deploy/images/plan.ts";
import { ROOT } from "../../support/source-files.ts";
import { run } from "../processes.ts";

/**
 * Builds agent, control and echo into a folder (made anew) and returns the archives' paths. A process of its own does it,
 * so that a cluster comes up meanwhile.
 */
export async function buildProjectImages(folder: string): Promise<readonly string[]> {
  rmSync(folder, { recursive: true, force: true });
  await run(process.execPath, join(ROOT, "deploy/images/main.ts"), "--out", folder);
  return IMAGE_NAMES.map((name) => join(folder, `${name}.tar`));
}
