/** `-f FILE_OR_DIR`: manifests from files, directories (not recursive) or standard input, as kubectl reads them. */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import type { RawObject } from "../cluster/raw.ts";

/** All objects of the paths, in order. Throws an Error that names the file and what is wrong in it. */
export function readManifests(paths: readonly string[]): readonly RawObject[] {
  const files = paths.flatMap(manifestFiles);
  return files.flatMap((file) => parse(file === "-" ? "standard input" : file, readText(file)));
}

function manifestFiles(path: string): readonly string[] {
  if (path === "-") return [path];
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) throw new Error(`${path}: there is no such file or directory`);
  if (!stat.isDirectory()) return [path];
  const files = readdirSync(path).filter((name) => /\.(?:ya?ml|json)$/.test(name));
  if (files.length === 0)
    throw new Error(`${path}: no .yaml, .yml or .json file is in this directory`);
  return files.sort().map((name) => join(path, name));
}

function readText(file: string): string {
  return readFileSync(file === "-" ? 0 : file, "utf8");
}

function parse(file: string, text: string): readonly RawObject[] {
  return parseAllDocuments(text, { version: "1.2", merge: true }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new Error(`${file}: ${error.message}`);
    return unfold(file, document.toJS());
  });
}

function unfold(file: string, value: unknown): readonly RawObject[] {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") throw new Error(`${file}: holds something that is no object`);
  const { kind, items, metadata } = value as {
    kind?: unknown;
    items?: unknown;
    metadata?: unknown;
  };
  if (Array.isArray(items) && typeof kind === "string" && kind.endsWith("List"))
    return items.flatMap((item) => unfold(file, item));
  if (typeof kind !== "string" || typeof metadata !== "object" || metadata === null)
    throw new Error(`${file}: an object without kind or metadata`);
  return [value as RawObject];
}
