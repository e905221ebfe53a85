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
import { buildImage } from "./build.ts";
import { IMAGE_NAMES, type ImageName } from "./plan.ts";

const MEGABYTE = 1_000_000;

const command = new Command("image")
  .description("Writes OCI image archives of the agent, control and echo.")
  .addArgument(new Argument("[names...]", "which").choices(IMAGE_NAMES))
  .option("--out <directory>", "where to write NAME.tar", join(cacheFolder(), "images"))
  .action((names: readonly ImageName[], { out }: { readonly out: string }) => write(names, out));
command.parse();

function write(names: readonly ImageName[], out: string): void {
  ensurePackages("image", console.error);
  const folder = resolve(out);
  mkdirSync(folder, { recursive: true });
  for (const name of names.length === 0 ? IMAGE_NAMES : names) {
    const from = performance.now();
    const scratch = mkdtempSync(join(folder, ".half-"));
    try {
      const file = join(folder, `${name}.tar`);
      const { digest, unpackedBytes, image } = buildImage({ root: ROOT, name, scratch, out: file });
      const megabytes = (unpackedBytes / MEGABYTE).toFixed(1);
      const seconds = ((performance.now() - from) / 1000).toFixed(1);
      console.log(`${file}: ${image} ${digest}, ${megabytes} MB unpacked, ${seconds} s`);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
}
