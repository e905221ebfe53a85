/**
 * Folders to image archives, byte for byte the same for the same files: OCI image layout 1.0 (image-spec
 * v1.1, image-layout.md) with the annotations by which containerd names what it imports, plus `docker load`'s
 * manifest.json.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  closeSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { arch } from "node:os";
import { dirname, join } from "node:path";
import type { ImagePlan } from "./plan.ts";

/** What `pack` writes and where. */
export interface Packing {
  readonly plan: ImagePlan;
  /** The staged files. */
  readonly folder: string;
  /** The files of it, as paths in it, that all images share: a layer of their own, which a node fetches and unpacks once. */
  readonly shared: readonly string[];
  /** An empty folder for what lies around meanwhile. */
  readonly scratch: string;
  /** The archive. */
  readonly out: string;
}

/** Facts about an archive. */
export interface Packed {
  /** Digest of the image's manifest: its identity. */
  readonly digest: string;
  /** Bytes of all files, unpacked. */
  readonly unpackedBytes: number;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

const MANIFEST = "application/vnd.oci.image.manifest.v1+json";
const CONFIG = "application/vnd.oci.image.config.v1+json";
const LAYER = "application/vnd.oci.image.layer.v1.tar";
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Writes the archive; it appears under its name only when it is complete. */
export function packImage({ plan, folder, shared, scratch, out }: Packing): Packed {
  const blobs = join(scratch, "blobs/sha256");
  mkdirSync(blobs, { recursive: true });
  const add = (name: string): Blob => {
    const file = join(scratch, name);
    const digest = sha256(file);
    const { size } = statSync(file);
    renameSync(file, join(blobs, digest));
    return { digest: `sha256:${digest}`, size };
  };
  const addJson = (value: unknown): Blob => {
    writeFileSync(join(scratch, "json"), JSON.stringify(value));
    return add("json");
  };
  const layers = [alone(shared), except(shared)].map((chosen) => {
    tar(folder, join(scratch, "layer"), chosen);
    return add("layer");
  });
  const config = addJson(
    configOf(
      plan,
      layers.map(({ digest }) => digest),
    ),
  );
  const manifest = addJson({
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: { mediaType: CONFIG, ...config },
    layers: layers.map((layer) => ({ mediaType: LAYER, ...layer })),
  });
  writeFileSync(join(scratch, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(scratch, "index.json"), JSON.stringify(indexOf(plan, manifest)));
  writeFileSync(
    join(scratch, "manifest.json"),
    JSON.stringify([
      { Config: blobPath(config), RepoTags: namesOf(plan), Layers: layers.map(blobPath) },
    ]),
  );
  const names = ["oci-layout", "index.json", "manifest.json", "blobs"];
  const half = `${out}.half`;
  tar(scratch, half, names);
  renameSync(half, out);
  return { digest: manifest.digest, unpackedBytes: bytesIn(folder) };
}

/** The names under which an image is known. */
export function namesOf({ name, tags }: ImagePlan): readonly string[] {
  return tags.map((tag) => `docker.io/nodemesh/${name}:${tag}`);
}

/** tar's words for these files and the folders above them, and for all others. */
function alone(files: readonly string[]): readonly string[] {
  const folders = files.flatMap((file) => foldersAbove(file));
  return ["--no-recursion", ...[...new Set([...folders, ...files])].sort()];
}

function except(files: readonly string[]): readonly string[] {
  return ["--anchored", "--no-wildcards", ...files.map((file) => `--exclude=./${file}`), "."];
}

function foldersAbove(path: string): readonly string[] {
  const above = dirname(path);
  return above === "." ? [] : [...foldersAbove(above), above];
}

function configOf(plan: ImagePlan, diffIds: readonly string[]): unknown {
  return {
    architecture: architecture(),
    os: "linux",
    config: {
      Entrypoint: plan.entrypoint,
      User: plan.user,
      WorkingDir: "/",
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    },
    rootfs: { type: "layers", diff_ids: diffIds },
    history: diffIds.map(() => ({ created_by: "npm run image" })),
  };
}

function indexOf(plan: ImagePlan, manifest: Blob): unknown {
  return {
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: namesOf(plan).map((name) => ({
      mediaType: MANIFEST,
      ...manifest,
      platform: { os: "linux", architecture: architecture() },
      annotations: {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name,
      },
    })),
  };
}

function architecture(): string {
  const name = ARCHITECTURES[arch()];
  if (name === undefined) throw new Error(`no images for ${arch()}: x64 and arm64 are supported`);
  return name;
}

/** Names in order, no times, no owners: the same files give the same bytes. */
function tar(folder: string, out: string, chosen: readonly string[]): void {
  const same = ["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner"];
  execFileSync("tar", ["--create", "--format=gnu", ...same, "-f", out, "-C", folder, ...chosen]);
}

function blobPath({ digest }: Blob): string {
  return `blobs/${digest.replace(":", "/")}`;
}

const PIECE = 1 << 20;

function sha256(file: string): string {
  const hash = createHash("sha256");
  const piece = Buffer.alloc(PIECE);
  const descriptor = openSync(file, "r");
  try {
    for (let n = readSync(descriptor, piece); n > 0; n = readSync(descriptor, piece))
      hash.update(piece.subarray(0, n));
  } finally {
    closeSync(descriptor);
  }
  return hash.digest("hex");
}

function bytesIn(folder: string): number {
  const text = execFileSync("du", ["--apparent-size", "--block-size=1", "-s", folder], {
    encoding: "utf8",
  });
  return Number.parseInt(text, 10);
}
