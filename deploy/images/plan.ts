/**
 * What is in each image: the one description from which the archives (main.ts) and the Dockerfile
 * (Dockerfile.gen) are made. Pure values; must not look at the disk.
 */

import { AGENT_NODE_FLAGS } from "../../agent/node-flags.ts";

/** The images of this project. */
export const IMAGE_NAMES = ["agent", "control", "echo"] as const;

/** One of them. */
export type ImageName = (typeof IMAGE_NAMES)[number];

/** One image. Paths in it are absolute. */
export interface ImagePlan {
  readonly name: ImageName;
  /** Files of the checkout whose imports, followed to their end, are the program. */
  readonly entries: readonly string[];
  /** Files of the checkout that the program reads as data. */
  readonly data: readonly string[];
  /** Programs of Debian packages, with the libraries they are linked to. */
  readonly programs: readonly Program[];
  readonly links: Readonly<Record<string, string>>;
  readonly entrypoint: readonly string[];
  /** `UID:GID`. */
  readonly user: string;
  readonly tags: readonly string[];
}

/** A program of Debian's. */
export interface Program {
  readonly file: string;
  readonly package: string;
}

/** Where the project lies in an image. */
export const HOME = "/nodemesh";
/** Who runs what needs no rights: the number that distroless images use too. */
const NONROOT = "65532:65532";

/** All images, tagged with a version. */
export function imagePlans(version: string): Readonly<Record<ImageName, ImagePlan>> {
  const node = (...args: readonly string[]): readonly string[] => [`${HOME}/node`, ...args];
  return {
    agent: {
      name: "agent",
      entries: ["agent/main.ts", "agent/worker.ts"],
      data: [
        "bpf/bind.bpf.o",
        "bpf/setsockopt.bpf.o",
        "bpf/connect.bpf.o",
        "bpf/lookup.bpf.o",
        "bpf/sockops.bpf.o",
        "bpf/loader/wasm/loader-core.wasm",
        "bpf/loader/package.json",
      ],
      programs: [],
      links: {},
      entrypoint: node(...AGENT_NODE_FLAGS, `${HOME}/agent/main.ts`),
      // Its capabilities (see deploy/manifests) count for root only: Kubernetes gives others none.
      user: "0:0",
      tags: [version],
    },
    control: {
      name: "control",
      entries: ["control/main.ts"],
      data: [],
      programs: [],
      links: {},
      entrypoint: node(`${HOME}/control/main.ts`),
      user: NONROOT,
      tags: [version],
    },
    echo: {
      name: "echo",
      entries: ["deploy/sim/builtin/echo.ts"],
      data: [],
      programs: [
        { file: "/usr/bin/curl", package: "curl" },
        { file: "/bin/busybox", package: "busybox-static" },
      ],
      links: Object.fromEntries(
        ["sh", "cat", "ls", "ps", "env", "sleep", "echo", "true", "false", "nc", "hostname"].map(
          (name) => [`/bin/${name}`, "busybox"],
        ),
      ),
      entrypoint: node(`${HOME}/deploy/sim/builtin/echo.ts`),
      user: NONROOT,
      // The samples name no tag.
      tags: [version, "latest"],
    },
  };
}
