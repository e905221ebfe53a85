/** What the documentation tells people to type and to read is there. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { ROOT } from "./support/source-files.ts";

interface Page {
  readonly path: string;
  readonly text: string;
}

const pages: readonly Page[] = [
  "README.md",
  ...readdirSync(join(ROOT, "docs")).map((name) => `docs/${name}`),
].map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

function textOf(path: string): string {
  return pages.find((page) => page.path === path)?.text ?? "";
}

test("every link leads to a file, and to a heading of it", () => {
  const links = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/\]\(([^)#:]+)(?:#([^)]+))?\)/g)].map(([, target = "", anchor]) => ({
      path,
      file: join(dirname(path), target),
      anchor,
    })),
  );
  assert.ok(links.length > 15, "no link was seen: the pattern is broken");
  for (const { path, file, anchor } of links) {
    assert.ok(existsSync(join(ROOT, file)), `${path}: ${file}`);
    if (anchor === undefined) continue;
    const headings = [...textOf(file).matchAll(/^#+ (.+)$/gm)].map(([, words = ""]) =>
      words.toLowerCase().replaceAll(" ", "-"),
    );
    assert.ok(headings.includes(anchor), `${path}: ${file}#${anchor}`);
  }
});

test("every command of nodemesh that a page names exists", () => {
  const known = [...textOf("docs/reference.md").matchAll(/^### nodemesh (\w+)$/gm)].map(
    ([, name = ""]) => name,
  );
  const named = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/(?:bin\/|`)nodemesh ([a-z]+)\b/g)].map(([, name = ""]) => `${path} ${name}`),
  );
  assert.ok(known.length > 5 && named.length > 20, "the patterns are broken");
  const wrong = named.filter((one) => ![...known, "sim"].includes(one.split(" ")[1] ?? ""));
  assert.deepEqual(wrong, []);
});

test("quick start's sed gives every image of the shop a registry and a tag", () => {
  const [, script] =
    /(sed '[^']+') deploy\/samples\/shop\.yaml/.exec(textOf("docs/quick-start.md")) ?? [];
  assert.ok(script !== undefined, "quick start has no sed");
  const shop = join(ROOT, "deploy/samples/shop.yaml");
  const changed = execFileSync("/bin/sh", ["-c", `${script} "$0"`, shop], { encoding: "utf8" });
  const images = [...changed.matchAll(/image: (\S+)/g)].map(([, image]) => image);
  assert.deepEqual(images, ["REGISTRY/nodemesh/echo:0.1.0", "REGISTRY/nodemesh/echo:0.1.0"]);
});

test("pods are taken out of the mesh in a way that holds whatever enrols them", () => {
  const step = textOf("docs/debug.md")
    .split("\n")
    .find((line) => line.includes("Out of the way"));
  assert.match(step ?? "", /mesh\/enabled=false --overwrite/);
});
