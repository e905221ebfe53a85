/** One image from the checkout to its archive. */

import { spawnSync } from "node:child_process";
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
  /** The commit, when it is known otherwise than by git. */
  readonly revision?: string | undefined;
}

/** Builds an image. Throws with the name of what is missing. */
export function buildImage({
  root,
  name,
  scratch,
  out,
  revision,
}: Build): Packed & { readonly image: string } {
  const plan = imagePlans(versionOf(root))[name];
  const folder = join(scratch, "files");
  const around = join(scratch, "archive");
  const shared = stageOnly(root, name, folder, revision);
  const packed = openly(() => {
    mkdirSync(around, { recursive: true });
    return packImage({ plan, folder, shared, scratch: around, out });
  });
  return { ...packed, image: namesOf(plan)[0] ?? name };
}

/** Lays out an image's files in a folder, which is made. Returns the files that all images share. */
export function stageOnly(
  root: string,
  name: ImageName,
  folder: string,
  revision: string | undefined = revisionOf(root),
): readonly string[] {
  const node = join(root, `node_modules/node-linux-${arch()}/bin/node`);
  return openly(() => {
    mkdirSync(folder, { recursive: true });
    return stageImage(imagePlans(versionOf(root))[name], { root, node, revision }, folder);
  });
}

/** Lays out what all images share in FOLDER/node, and the image's own files in FOLDER/NAME: one layer each. */
export function stageLayers(
  root: string,
  name: ImageName,
  folder: string,
  revision?: string | undefined,
): void {
  const own = join(folder, name);
  const shared = stageOnly(root, name, own, revision);
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

/** What git says; undefined where there is no repository, or no git. */
function revisionOf(root: string): string | undefined {
  const { status, stdout } = spawnSync("git", ["-C", root, "rev-parse", "HEAD"], {
    encoding: "utf8",
  });
  return status === 0 ? stdout.trim() : undefined;
}

function versionOf(root: string): string {
  const text = readFileSync(join(root, "package.json"), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
