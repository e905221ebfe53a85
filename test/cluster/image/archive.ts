/**
 * Small images for clusters: what holds a pod's namespaces, and what tests run in pods. Made here from Debian's own
 * programs and one small C program, kept in the user's cache; may import only the tools' cache.
 *
 * This file: a folder as an image archive, in the form that `docker save` writes and containerd imports.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** What an image is, besides its files. */
export interface ImageWords {
  /** Full name with a tag. */
  readonly name: string;
  readonly entrypoint: readonly string[];
}

/** Packs a folder; the archive appears under its name only when it is complete. `scratch` must not exist. */
export function packFolder(folder: string, words: ImageWords, scratch: string, out: string): void {
  mkdirSync(scratch, { recursive: true });
  tar(join(scratch, "layer.tar"), folder, ["."]);
  const digest = createHash("sha256")
    .update(readFileSync(join(scratch, "layer.tar")))
    .digest("hex");
  const config = {
    architecture: ARCHITECTURES[arch()] ?? arch(),
    os: "linux",
    config: { Entrypoint: words.entrypoint, Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
  };
  const manifest = [{ Config: "config.json", RepoTags: [words.name], Layers: ["layer.tar"] }];
  writeFileSync(join(scratch, "config.json"), JSON.stringify(config));
  writeFileSync(join(scratch, "manifest.json"), JSON.stringify(manifest));
  const half = join(scratch, "image.tar");
  tar(half, scratch, ["manifest.json", "config.json", "layer.tar"]);
  renameSync(half, out);
  rmSync(scratch, { recursive: true });
}

function tar(out: string, folder: string, names: readonly string[]): void {
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  execFileSync("tar", ["--create", ...same, "-f", out, "-C", folder, ...names]);
}
