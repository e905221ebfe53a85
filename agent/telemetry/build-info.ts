/** Which program runs, on what: the metric nodemesh_build_info of agents and of control (which imports this file too). */

import { readFileSync } from "node:fs";
import { release } from "node:os";

/** Labels of nodemesh_build_info, whose value is always 1. */
export interface BuildInfo {
  readonly version: string;
  /** The commit that an image was made of; `unknown` outside of images. */
  readonly revision: string;
  readonly node_version: string;
  /** As `uname -r` says. */
  readonly kernel: string;
}

/** Reads it from the program's package.json, into which an image writes its commit. */
export function readBuildInfo(
  packageJson: URL = new URL("../../package.json", import.meta.url),
): BuildInfo {
  const said: unknown = JSON.parse(readFileSync(packageJson, "utf8"));
  return {
    version: textOf(said, "version"),
    revision: textOf(said, "gitHead"),
    node_version: process.version,
    kernel: release(),
  };
}

function textOf(said: unknown, field: string): string {
  const value: unknown =
    typeof said === "object" && said !== null ? Reflect.get(said, field) : undefined;
  return typeof value === "string" ? value : "unknown";
}
