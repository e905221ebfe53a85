/** The images of this checkout, built for the nodes of a cluster. */

import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildImage } from "../../../deploy/images/build.ts";
import { IMAGE_NAMES } from "../../../deploy/images/plan.ts";
import { ROOT } from "../../support/source-files.ts";

/** Builds agent, control and echo into a folder (made anew) and returns the archives' paths. */
export function buildProjectImages(folder: string): readonly string[] {
  rmSync(folder, { recursive: true, force: true });
  return IMAGE_NAMES.map((name) => {
    const scratch = join(folder, `${name}.scratch`);
    mkdirSync(scratch, { recursive: true });
    const out = join(folder, `${name}.tar`);
    buildImage({ root: ROOT, name, scratch, out });
    rmSync(scratch, { recursive: true });
    return out;
  });
}
