/** Which npm packages a program needs at run time, and which of their files. Reads the checkout. */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { importsOf } from "../../test/support/source-files.ts";

const packageJson = z.object({
  dependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});

/** A program: files of the checkout (relative paths) and npm packages (folders below node_modules). */
export interface ProgramFiles {
  readonly sources: readonly string[];
  readonly packages: readonly string[];
  /** Packages of this checkout itself: name and folder. */
  readonly workspaces: Readonly<Record<string, string>>;
}

/** Follows the imports of the entries. Throws when a file or a package is missing. */
export function programFiles(root: string, entries: readonly string[]): ProgramFiles {
  const sources = new Set<string>();
  const named = new Set<string>();
  const workspaces: Record<string, string> = {};
  const todo = [...entries];
  for (let path = todo.pop(); path !== undefined; path = todo.pop()) {
    if (sources.has(path)) continue;
    sources.add(path);
    for (const target of importsOf({ path, text: readFileSync(join(root, path), "utf8") })) {
      if (target.startsWith("node:")) continue;
      if (target.endsWith(".ts")) todo.push(target);
      else if (WORKSPACES[target] === undefined) named.add(packageOf(target));
      else {
        workspaces[target] = WORKSPACES[target].folder;
        todo.push(WORKSPACES[target].entry);
      }
    }
  }
  return {
    sources: [...sources].sort(),
    packages: [...closure(root, named)].sort(),
    workspaces,
  };
}

/** Packages that are folders of this checkout. */
const WORKSPACES: Readonly<Record<string, { readonly folder: string; readonly entry: string }>> = {
  "ebpf-loader-wasm": { folder: "bpf/loader", entry: "bpf/loader/src/index.ts" },
};

function packageOf(target: string): string {
  return target
    .split("/")
    .slice(0, target.startsWith("@") ? 2 : 1)
    .join("/");
}

/** With all they depend on. An optional one counts when it is installed: npm chose it for this machine. */
function closure(root: string, names: Iterable<string>): ReadonlySet<string> {
  const found = new Set<string>();
  const todo = [...names];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    const file = join(root, "node_modules", name, "package.json");
    const { dependencies, optionalDependencies } = packageJson.parse(
      JSON.parse(readFileSync(file, "utf8")),
    );
    todo.push(...Object.keys(dependencies));
    for (const optional of Object.keys(optionalDependencies))
      if (existsSync(join(root, "node_modules", optional))) todo.push(optional);
  }
  return found;
}

/** What never runs: declarations, maps, documentation, tests, sources of native code. */
const NEVER_RUNS =
  /\.(?:d\.[cm]?ts|[cm]?ts|map|md|markdown|flow|txt|yml|html|cc|hh|h|cpp|c)$|^\/(?:docs?|tests?|examples?|\.github)\//i;
const LICENCE = /(?:licen[cs]e|notice|copying)/i;

/** Files of a package that its program may read, relative to its folder; licences stay. */
export function packageFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith("node_modules/"))
    .filter((path) => LICENCE.test(path) || !NEVER_RUNS.test(`/${path}`))
    .sort();
}
