/**
 * test/cluster/build makes the programs of a test cluster from locked Go modules, once per version, recipe and Go, into
 * the user's cache outside the checkout. May import test/tools; must never start one of them but to read its version.
 */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { linkSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheFolder } from "../../tools/cache.ts";
import { ensureRoom, findGo, type Go, goBuild } from "./go.ts";
import { type Family, RECIPES, type Recipe, type SaysVersion } from "./recipes.ts";
import { type Entry, ensureStored } from "./store.ts";

const run = promisify(execFile);

const RECIPE_FOLDER = join(import.meta.dirname, "recipes");
/** The newest `go` line of the recipes' go.mod files. */
const LEAST_GO = { major: 1, minor: 26 };

/**
 * Absolute path of every program of the families asked for, by program name (kube-apiserver, kubectl, coredns, …).
 * What is not in the cache is built first, one family after another: `report` gets how long it will take,
 * progress every ten seconds, and what was found or built. Throws an Error that says what to do.
 */
export async function ensureBinaries(
  needs: readonly Family[],
  report: (line: string) => void,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const go = await findGo(LEAST_GO);
  const paths: Record<string, string> = {};
  for (const family of new Set(needs)) {
    const recipe = RECIPES[family];
    const module = join(RECIPE_FOLDER, family);
    Object.assign(paths, await ensureRecipe(cacheFolder(), recipe, module, go, report, signal));
  }
  return paths;
}

/**
 * The same for one recipe whose Go module is `module`, with `store` as the cache. Throws when the built programs
 * do not say the recipe's version: they are not put into the cache then.
 */
export async function ensureRecipe(
  store: string,
  recipe: Recipe,
  module: string,
  go: Go,
  report: (line: string) => void,
  signal?: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const say = (line: string) => report(`${recipe.family} ${recipe.version}: ${line}`);
  let built = false;
  const entry: Entry = {
    family: recipe.family,
    key: keyOf(recipe, module, go),
    freeBytes: recipe.freeBytes,
    build: async (folder) => {
      built = true;
      ensureRoom(go, recipe.freeBytes);
      await build({ recipe, module, go, folder }, say, signal);
    },
  };
  const folder = await ensureStored(store, entry, report);
  if (!built) say(`found in ${folder}`);
  return Object.fromEntries(
    Object.keys(recipe.programs).map((name) => [name, join(folder, name)] as const),
  );
}

interface Build {
  readonly recipe: Recipe;
  readonly module: string;
  readonly go: Go;
  readonly folder: string;
}

async function build(
  { recipe, module, go, folder }: Build,
  say: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [first = "", ...others] = Object.keys(recipe.programs);
  const { cpuMinutes, target, tags = [], stamps } = recipe;
  say(`building; the first time takes about ${cpuMinutes} CPU minutes, later ones seconds`);
  const started = performance.now();
  const output = join(folder, first);
  await goBuild(go, { module, target, tags, stamps, output }, say, signal);
  // Hard links, so that each name is a file of its own wherever it is mounted or copied to.
  for (const name of others) linkSync(output, join(folder, name));
  for (const [name, args] of Object.entries(recipe.programs))
    await ensureVersion(go, join(folder, name), args, recipe.version);
  say(`built and verified in ${((performance.now() - started) / 1000).toFixed(0)} s`);
}

async function ensureVersion(
  go: Go,
  path: string,
  says: SaysVersion,
  version: string,
): Promise<void> {
  const [what, said] =
    says === "build info"
      ? ["its build info", await mainModule(go, path)]
      : [says.join(" "), await printed(path, says)];
  // CoreDNS prints its version without the "v"; "1.34.4" must not be found in "1.34.40".
  const plain = version.replace(/^v/, "").replaceAll(".", "\\.");
  if (!new RegExp(`(?<![\\d.])${plain}(?!\\.?\\d)`).test(said))
    throw new Error(
      `${path} ${what} does not print ${version}, but: ${said.trim()}; do go.mod and recipes.ts name the same version?`,
    );
}

async function printed(path: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(path, [...args], { timeout: 60_000 });
  return stdout + stderr;
}

/** Name and version of the module that a program's main package is of. */
async function mainModule(go: Go, path: string): Promise<string> {
  const { stdout } = await run(go.path, ["version", "-m", path]);
  return stdout.split("\n").find((line) => line.startsWith("\tmod\t")) ?? "";
}

/** Version, Go and a hash over everything else that the built bytes depend on. */
function keyOf(recipe: Recipe, module: string, go: Go): string {
  const hash = createHash("sha256").update(JSON.stringify([recipe.target, recipe.stamps]));
  hash.update(JSON.stringify(Object.keys(recipe.programs)));
  if (recipe.tags !== undefined) hash.update(JSON.stringify(recipe.tags));
  for (const name of readdirSync(module).sort())
    hash.update(`\0${name}\0`).update(readFileSync(join(module, name)));
  return `${recipe.version}-${go.version}-${go.arch}-${hash.digest("hex").slice(0, 12)}`;
}
