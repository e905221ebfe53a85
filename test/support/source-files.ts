/**
 * Helpers that several test folders share: reading this checkout's own sources, temporary directories,
 * free ports, waiting with a deadline, leak checks. May import node: modules and the product; product
 * code must never import anything from here.
 */
import { readdir, readFile } from "node:fs/promises";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the checkout, without a slash at its end. */
export const ROOT: string = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/** One file of the checkout, read whole. */
export interface SourceFile {
  /** Path relative to the checkout, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const SKIPPED = new Set(["node_modules", ".git", ".cache"]);

/** Paths (relative to the checkout, sorted) of all files under `folder` that are not installed or cached. */
export async function listFiles(folder = ""): Promise<readonly string[]> {
  const found: string[] = [];
  const entries = await readdir(join(ROOT, folder), { withFileTypes: true });
  for (const entry of entries) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED.has(entry.name)) continue;
    if (entry.isDirectory()) found.push(...(await listFiles(path)));
    else if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

/** Reads the files of the checkout whose names end in one of `extensions` (with the dot), hand-written or generated. */
export async function readSources(
  extensions: readonly string[] = [".ts"],
): Promise<readonly SourceFile[]> {
  const paths = (await listFiles()).filter((path) => extensions.includes(extname(path)));
  return Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(ROOT, path), "utf8") })),
  );
}

/** Whether a file is written by a program of ours: house style does not apply to it. */
export function isGenerated(path: string): boolean {
  return /\.gen\.\w+$/.test(path);
}

const IMPORTS: readonly RegExp[] = [
  /^(?:import|export)\s[^;"]*?\sfrom\s+"([^"]+)"/gm,
  /^import\s+"([^"]+)"/gm,
  /\bimport\(\s*"([^"]+)"/g,
  /\bnew URL\(\s*"(\.[^"]+\.ts)"/g,
];

/**
 * What a file names as other modules: static imports and re-exports, side-effect imports, `import("…")`
 * and `new URL("./x.ts", …)` (worker and child entry points). Relative names and `#model/` are answered as
 * paths of the checkout, packages and `node:` modules as written.
 */
export function importsOf(file: SourceFile): readonly string[] {
  const found = new Set<string>();
  for (const pattern of IMPORTS) {
    for (const [, target = ""] of file.text.matchAll(pattern))
      found.add(resolve(file.path, target));
  }
  return [...found];
}

function resolve(from: string, target: string): string {
  if (target.startsWith("#model/")) return `agent/model/${target.slice("#model/".length)}`;
  if (target.startsWith(".")) return normalize(join(dirname(from), target));
  return target;
}
