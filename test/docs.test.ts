/** What the documentation tells people to type and to read is there. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { optionsOf } from "../control/cli/install.ts";
import { chosenWords } from "../control/cli/values.ts";
import { listFiles, ROOT, readSources } from "./support/source-files.ts";

/** What a newcomer reads in ten minutes. */
const MAX_ARCHITECTURE_BYTES = 10_000;
/** Longest line of what is read as it is, in an editor: code's own limit. */
const MAX_COLUMNS = 120;

/** The architecture says where it will be. */
const NOT_YET = "agent/lifecycle.ts";

interface Page {
  readonly path: string;
  readonly text: string;
}

const pages: readonly Page[] = [
  "README.md",
  "ARCHITECTURE.md",
  "CONTRIBUTING.md",
  "bench/README.md",
  ...(await listFiles("docs")),
].map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") }));

function textOf(path: string): string {
  return pages.find((page) => page.path === path)?.text ?? "";
}

/** Numbers of the decisions that have a file, in the order of the folder. */
const decisions = pages.flatMap(({ path }) =>
  [...path.matchAll(/^docs\/decisions\/(\d{2,})-/g)].map(([, number]) => Number(number)),
);

test("the architecture is one page", () => {
  const bytes = Buffer.byteLength(textOf("ARCHITECTURE.md"));
  assert.ok(bytes > 5_000, `${bytes} bytes: the page was not read`);
  assert.ok(bytes <= MAX_ARCHITECTURE_BYTES, `${bytes} bytes: move details to docs/`);
});

test("the architecture and the decisions are read without scrolling sideways", () => {
  const long = pages
    .filter(({ path }) => /^ARCHITECTURE\.md$|^docs\/decisions\//.test(path))
    .flatMap(({ path, text }) => text.split("\n").map((line, index) => ({ path, line, index })))
    .filter(({ line }) => [...line].length > MAX_COLUMNS)
    .map(({ path, index }) => `${path}:${index + 1}`);
  assert.deepEqual(long, []);
});

test("every decision has a number of its own, its title, and its place in the list", () => {
  assert.deepEqual(
    decisions,
    decisions.map((_, index) => index + 1),
  );
  const index = textOf("docs/decisions/README.md");
  for (const { path, text } of pages) {
    const [, file, number] = /^docs\/decisions\/((\d{2,})-.*)$/.exec(path) ?? [];
    if (file === undefined) continue;
    const [, title = ""] = new RegExp(`^# ${Number(number)}\\. (.+)\\n`).exec(text) ?? [];
    assert.notEqual(title, "", `${path}: begins with "# ${Number(number)}. TITLE"`);
    assert.ok(index.includes(`\n- [${number}](${file}) ${title}\n`), `${path} in the list`);
  }
});

test("every decision that code or a page names has its file", async () => {
  const named = [...(await readSources([".ts", ".c", ".h"])), ...pages].flatMap(({ path, text }) =>
    [...text.matchAll(/\bdecisions? (\d+)/gi)].map(([, number]) => ({
      path,
      number: Number(number),
    })),
  );
  assert.ok(named.length >= 3, "no reference was seen: the pattern is broken");
  assert.deepEqual(
    named.filter(({ number }) => !decisions.includes(number)),
    [],
  );
});

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

test("every source file that a page names by its path exists", () => {
  const named = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/`((?:[\w.-]+\/)+[\w.-]+\.(?:ts|c|h|md|json|yaml))`/g)].map(
      ([, file = ""]) => ({ path, file }),
    ),
  );
  assert.ok(named.length > 15, "no file was seen: the pattern is broken");
  const isThere = (path: string, file: string): boolean =>
    [ROOT, join(ROOT, dirname(path))].some((base) => existsSync(join(base, file)));
  const lost = named.filter(
    ({ path, file }) => !(file === NOT_YET || file.includes("/NAME.") || isThere(path, file)),
  );
  assert.deepEqual(lost, []);
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

test("every option that a page sets exists, and takes that value", () => {
  const words = pages.flatMap(({ path, text }) =>
    [...text.matchAll(/--set ((?:[a-z][\w.]*=[^\s`)]+ ?)+)/g)].flatMap(([, list = ""]) =>
      list
        .trim()
        .split(" ")
        .map((word) => ({ path, word })),
    ),
  );
  assert.ok(words.length > 8, "no --set was seen: the pattern is broken");
  for (const { path, word } of words)
    assert.doesNotThrow(() => optionsOf({ namespace: "mesh", set: [word] }), `${path}: ${word}`);
});

test("the file of options that the page shows is one", () => {
  const [, yaml = ""] = /```yaml\n([\s\S]+?)```/.exec(textOf("docs/install.md")) ?? [];
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-docs-"));
  try {
    const file = join(folder, "mesh.yaml");
    writeFileSync(file, yaml);
    const set = chosenWords({ set: [], values: [file] });
    assert.ok(set.length > 10, "the page's file was not read");
    assert.equal(optionsOf({ namespace: "mesh", set }).control.replicas, 3);
  } finally {
    rmSync(folder, { recursive: true });
  }
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

test("what a pod's own rules by user and checks that only connect see is written where people look", () => {
  for (const page of ["docs/enrol.md", "docs/transparency.md"])
    for (const words of ["--uid-owner", "connect-refused", "nc -z", "wait-for-it"])
      assert.ok(textOf(page).includes(words), `${page}: ${words}`);
  assert.match(textOf("docs/debug.md"), /connect-refused.*--uid-owner/);
});
