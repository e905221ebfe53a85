/** One image from the checkout to its archive. */

import { mkdirSync, readFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { namesOf, type Packed, packImage } from "./archive.ts";
import { type ImageName, imagePlans } from "./plan.ts";
import { stageImage } from "./stage.ts";

/** What to build. */
export interface Build {
  /** The checkout, with its npm packages installed. */
  readonly root: string;
  readonly name: ImageName;
  /** An empty folder. */
  readonly scratch: string;
  /** The archive's path. */
  readonly out: string;
}

/** Builds an image. Throws with the name of what is missing. */
export function buildImage({
  root,
  name,
  scratch,
  out,
}: Build): Packed & { readonly image: string } {
  const plan = imagePlans(versionOf(root))[name];
  const folder = join(scratch, "files");
  const around = join(scratch, "archive");
  stageOnly(root, name, folder);
  const packed = openly(() => {
    mkdirSync(around, { recursive: true });
    return packImage({ plan, folder, scratch: around, out });
  });
  return { ...packed, image: namesOf(plan)[0] ?? name };
}

/** Lays out an image's files in a folder, which is made. */
export function stageOnly(root: string, name: ImageName, folder: string): void {
  const node = join(root, `node_modules/node-linux-${arch()}/bin/node`);
  openly(() => {
    mkdirSync(folder, { recursive: true });
    stageImage(imagePlans(versionOf(root))[name], { root, node }, folder);
  });
}

/** The umask of whoever builds must not show in an image: its user would find closed folders, and its bytes change. */
function openly<T>(work: () => T): T {
  const before = process.umask(0o022);
  try {
    return work();
  } finally {
    process.umask(before);
  }
}

function versionOf(root: string): string {
  const text = readFileSync(join(root, "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
