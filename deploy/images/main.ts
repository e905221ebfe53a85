/**
 * `npm run image -- [agent|control|echo ...] [--out DIR]`: image archives without a registry and without a
 * container engine. Import them with `ctr -n k8s.io images import FILE` or `docker load -i FILE`.
 * Exit codes: 0 written; 1 something is missing (the message names it); 2 wrong arguments.
 */

import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Argument, Command } from "commander";
import { ROOT } from "../../test/support/source-files.ts";
import { cacheFolder } from "../../test/tools/cache.ts";
import { ensurePackages } from "../../test/tools/debian-packages.ts";
import { buildImage, stageLayers } from "./build.ts";
import { IMAGE_NAMES, type ImageName } from "./plan.ts";

const MEGABYTE = 1_000_000;
const USAGE = 2;

interface Flags {
  readonly out: string;
  readonly stage?: string;
  readonly revision?: string;
}

const command = new Command("image")
  .description("Writes OCI image archives of the agent, control and echo.")
  .addArgument(new Argument("[names...]", "which; all when none is named").choices(IMAGE_NAMES))
  .option("--out <directory>", "where to write NAME.tar", join(cacheFolder(), "images"))
  .option(
    "--stage <directory>",
    "only lay out files: what all images share in DIRECTORY/node, each image's own in DIRECTORY/NAME",
  )
  .option("--revision <commit>", "what the image says it was made of (default: what git says)")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : USAGE))
  .action(write);
try {
  command.parse();
} catch (cause) {
  console.error(`image: ${cause instanceof Error ? cause.message : String(cause)}`);
  process.exitCode = 1;
}

function write(named: readonly ImageName[], { out, stage, revision }: Flags): void {
  ensurePackages("image", console.error);
  const names = named.length === 0 ? IMAGE_NAMES : named;
  if (stage !== undefined)
    for (const name of names) stageLayers(ROOT, name, resolve(stage), revision);
  else for (const name of names) archive(name, resolve(out), revision);
}

function archive(name: ImageName, folder: string, revision: string | undefined): void {
  mkdirSync(folder, { recursive: true });
  const from = performance.now();
  const scratch = mkdtempSync(join(folder, ".half-"));
  try {
    const file = join(folder, `${name}.tar`);
    const { digest, unpackedBytes, image } = buildImage({
      root: ROOT,
      name,
      scratch,
      out: file,
      revision,
    });
    const megabytes = (unpackedBytes / MEGABYTE).toFixed(1);
    const seconds = ((performance.now() - from) / 1000).toFixed(1);
    console.log(`${file}: ${image} ${digest}, ${megabytes} MB unpacked, ${seconds} s`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
