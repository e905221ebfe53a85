/** One image from the checkout to its archive. */

import { mkdirSync, readFileSync, renameSync } from "node:fs";
import { arch } from "node:os";
import { dirname, join } from "node:path";
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
  const shared = stageOnly(root, name, folder);
  const packed = openly(() => {
    mkdirSync(around, { recursive: true });
    return packImage({ plan, folder, shared, scratch: around, out });
  });
  return { ...packed, image: namesOf(plan)[0] ?? name };
}

/** Lays out an image's files in a folder, which is made. Returns the files that all images share. */
export function stageOnly(root: string, name: ImageName, folder: string): readonly string[] {
  const node = join(root, `node_modules/node-linux-${arch()}/bin/node`);
  return openly(() => {
    mkdirSync(folder, { recursive: true });
    return stageImage(imagePlans(versionOf(root))[name], { root, node }, folder);
  });
}

/** Lays out what all images share in FOLDER/node, and the image's own files in FOLDER/NAME: one layer each. */
export function stageLayers(root: string, name: ImageName, folder: string): void {
  const own = join(folder, name);
  const shared = stageOnly(root, name, own);
  for (const path of shared) {
    const to = join(folder, "node", path);
    openly(() => mkdirSync(dirname(to), { recursive: true }));
    renameSync(join(own, path), to);
  }
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
