import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ensureRecipe } from "./binaries.ts";
import { findGo } from "./go.ts";
import { RECIPES, type Recipe } from "./recipes.ts";

const go = await findGo({ major: 1, minor: 26 });

/** A program that prints its stamped version, without anything to import: compiled in a second. */
const TINY: Recipe = {
  family: "kwok",
  version: "v1.2.3",
  target: ".",
  stamps: { "main.version": "v1.2.3" },
  programs: { one: [], two: [] },
  cpuMinutes: 1,
  freeBytes: 1,
};

function workplace(
  source = "package main\nvar version string\nfunc main() { println(version) }\n",
) {
  const path = mkdtempSync(join(tmpdir(), "nodemesh-recipe-"));
  const module = mkdtempSync(join(path, "module-"));
  writeFileSync(join(module, "go.mod"), "module nodemesh.test/tiny\n\ngo 1.24\n");
  writeFileSync(join(module, "main.go"), source);
  return {
    store: join(path, "store"),
    module,
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

function entries(store: string): readonly string[] {
  return readdirSync(store).filter((name) => !name.startsWith(".lock-"));
}

test("a recipe is compiled, stamped, verified under every name, announced, and then found", async () => {
  using place = workplace();
  const lines: string[] = [];
  const ask = () => ensureRecipe(place.store, TINY, place.module, go, (line) => lines.push(line));
  const paths = await ask();
  assert.deepEqual(Object.keys(paths), ["one", "two"]);
  for (const path of Object.values(paths)) execFileSync(path, { stdio: "ignore" });
  assert.match(lines.join("\n"), /about 1 CPU minutes[\s\S]*built and verified in \d+ s/);
  lines.length = 0;
  assert.deepEqual(await ask(), paths);
  assert.match(lines.join("\n"), /^kwok v1\.2\.3: found in [^\n]+$/);
});

test("a changed module, stamp or Go is another entry", async () => {
  using place = workplace();
  const ask = (recipe: Recipe, version = go.version) =>
    ensureRecipe(place.store, recipe, place.module, { ...go, version }, () => undefined);
  await ask(TINY);
  await ask({ ...TINY, stamps: { ...TINY.stamps, "main.other": "x" } });
  await ask(TINY, "go1.99.0");
  cpSync(join(place.module, "main.go"), join(place.module, "copy.txt"));
  await ask(TINY);
  assert.equal(entries(place.store).length, 4);
});

test("a program that prints another version is refused and never stored", async () => {
  using place = workplace();
  for (const printed of ["v1.2.30", "v11.2.3", "v1.2.4", ""]) {
    const recipe = { ...TINY, stamps: { "main.version": printed } };
    await assert.rejects(
      ensureRecipe(place.store, recipe, place.module, go, () => undefined),
      /does not print v1\.2\.3.*recipes\.ts/,
    );
    assert.deepEqual(entries(place.store), []);
  }
});

test("a program is built with its recipe's tags", async () => {
  using place = workplace();
  const tagged = '//go:build special\n\npackage main\nfunc init() { version = "v1.2.3" }\n';
  writeFileSync(join(place.module, "tagged.go"), tagged);
  const ask = (recipe: Recipe) =>
    ensureRecipe(place.store, recipe, place.module, go, () => undefined);
  await assert.rejects(ask({ ...TINY, stamps: {} }), /does not print v1\.2\.3/);
  await ask({ ...TINY, stamps: {}, tags: ["special"] });
  assert.equal(entries(place.store).length, 1);
});

test("a program that prints no version is asked for what Go has written into it", async () => {
  using place = workplace();
  const recipe: Recipe = { ...TINY, programs: { one: "build info" } };
  await assert.rejects(
    ensureRecipe(place.store, recipe, place.module, go, () => undefined),
    /one its build info does not print v1\.2\.3, but: mod\s+nodemesh\.test\/tiny\s+\(devel\)/,
  );
  assert.deepEqual(entries(place.store), []);
});

test("a module that does not compile is refused with the compiler's words", async () => {
  using place = workplace("package main\nfunc main() { undefinedThing() }\n");
  await assert.rejects(
    ensureRecipe(place.store, TINY, place.module, go, () => undefined),
    /go build \. failed:[\s\S]*undefined: undefinedThing/,
  );
  assert.deepEqual(entries(place.store), []);
});

test("an aborted build ends and leaves nothing in the cache", async () => {
  using place = workplace();
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  await assert.rejects(
    ensureRecipe(place.store, TINY, place.module, go, abort, stop.signal),
    /go build \. failed:[\s\S]*aborted/,
  );
  assert.deepEqual(entries(place.store), []);
});

test("a Go that is too old is refused with the version that is needed", async () => {
  await assert.rejects(findGo({ major: 1, minor: 99 }), /Go 1\.99 or newer is needed.*install/);
});

test("every recipe's go.mod locks the version that recipes.ts names", () => {
  const modules = {
    kubernetes: "k8s.io/kubernetes",
    coredns: "github.com/coredns/coredns",
    helm: "helm.sh/helm/v3",
    kwok: "sigs.k8s.io/kwok",
    adapter: "sigs.k8s.io/prometheus-adapter",
    prometheus: "github.com/prometheus/prometheus",
  };
  for (const recipe of Object.values(RECIPES)) {
    const path = join(import.meta.dirname, "recipes", recipe.family, "go.mod");
    const wanted = `${modules[recipe.family]} ${recipe.version}`;
    assert.ok(readFileSync(path, "utf8").includes(wanted), `${path} lacks ${wanted}`);
  }
});
