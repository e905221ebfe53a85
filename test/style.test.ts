import assert from "node:assert/strict";
import { dirname } from "node:path";
import { test } from "node:test";
import { isGenerated, readSources, type SourceFile } from "./support/source-files.ts";

const MAX_LINES = 400;
/** State of one class in agent/flow/request: what does not fit is two things. */
const MAX_FIELDS = 10;
/** Least length of a folder's opening paragraph: shorter ones can't say what for, what it imports, what never. */
const MIN_OPENING_CHARS = 80;

const EXPORT =
  /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|interface|type)\s+(\w+)/;

const all = await readSources([".ts", ".c", ".h"]);
const written = all.filter(({ path }) => !isGenerated(path));
const product = written.filter(({ path }) => path.endsWith(".ts") && !path.endsWith(".test.ts"));

/** One line of a block of constants that share the docstring above the block. */
const CONSTANT_LINE = /^export const [A-Z][A-Z0-9_]*\b.*;(?:\s*\/\/.*)?$/;

/** Names a file exports without a docstring right above (function overloads need one on the first only). */
function undocumentedExports(file: SourceFile): readonly string[] {
  const lines = file.text.split("\n");
  const documented = new Set<string>();
  const missing: string[] = [];
  let block = false; // the line before belongs to a documented block of constants
  lines.forEach((line, index) => {
    const name = EXPORT.exec(line)?.[1];
    const below = (lines[index - 1] ?? "").trimEnd().endsWith("*/");
    const inBlock = CONSTANT_LINE.test(line) && (below || block);
    block = inBlock;
    if (name === undefined || documented.has(name)) return;
    if (below || inBlock) documented.add(name);
    else missing.push(`${file.path}:${index + 1} ${name}`);
  });
  return missing;
}

/** The first comment of a file, joined to one line without its stars; empty when the file opens with code. */
function openingComment(text: string): string {
  const [, body = ""] = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text) ?? [];
  return body
    .replace(/^\s*\* ?/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}

test("no file is longer than the limit", () => {
  const long = written
    .map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ path, lines }) => `${path} has ${lines} lines`);
  assert.deepEqual(long, []);
});

/** Classes with more than `MAX_FIELDS` fields, as the formatter writes them: two spaces in. */
function wideClasses({ path, text }: Pick<SourceFile, "path" | "text">): readonly string[] {
  return [...text.matchAll(/^(?:export )?(?:abstract )?class (\w+)[\s\S]*?^\}/gm)].flatMap(
    ([body, name]) => {
      const fields = [...body.matchAll(/^ {2}(?:readonly )?#?\w+[?!]?(?:: [^\n]*| = [^\n]*)/gm)];
      return fields.length > MAX_FIELDS ? [`${path}: ${name} has ${fields.length} fields`] : [];
    },
  );
}

test("no class of the story of a request has too many fields", () => {
  const story = product.filter(({ path }) => path.startsWith("agent/flow/request/"));
  assert.ok(story.length > 20);
  assert.deepEqual(story.flatMap(wideClasses), []);
});

test("a class with too many fields is found, and methods are none", () => {
  const field = (at: number): string => (at % 2 === 0 ? `  readonly #f${at}: T;` : `  f${at} = 1;`);
  const of = (count: number): string =>
    `class Wide {\n${Array.from({ length: count }, (_, at) => field(at)).join("\n")}\n\n  m(a: T): T {\n    return a;\n  }\n}\n`;
  assert.deepEqual(wideClasses({ path: "a.ts", text: of(MAX_FIELDS) }), []);
  assert.deepEqual(wideClasses({ path: "a.ts", text: of(MAX_FIELDS + 1) }), [
    "a.ts: Wide has 11 fields",
  ]);
});

test("every exported name of the product has a docstring", () => {
  assert.deepEqual(product.flatMap(undocumentedExports), []);
  const exports = product.flatMap(({ text }) =>
    text.split("\n").filter((line) => EXPORT.test(line)),
  );
  assert.ok(
    exports.length > 100,
    `only ${exports.length} exports were seen: the pattern is broken`,
  );
});

test("a missing docstring is found and overloads and blocks of constants need only one", () => {
  const text = [
    "/** What for. */",
    "export function good(a: string): void;",
    "export function good(a: number): void;",
    "export const bad = 1;",
    "/** Kinds. */",
    "export const KIND_A = 1;",
    "export const KIND_B = 2;",
    "",
    "export const KIND_C = 3;",
  ].join("\n");
  assert.deepEqual(undocumentedExports({ path: "x.ts", text }), ["x.ts:4 bad", "x.ts:9 KIND_C"]);
});

test("some file of every product folder opens with a paragraph about the folder", () => {
  const folders = new Map<string, number>();
  for (const { path, text } of product) {
    if (!/^(?:agent|bpf|control|deploy|bench|test)\//.test(path)) continue;
    const best = Math.max(folders.get(dirname(path)) ?? 0, openingComment(text).length);
    folders.set(dirname(path), best);
  }
  const poor = [...folders].filter(([, length]) => length < MIN_OPENING_CHARS);
  assert.deepEqual(
    poor.map(([folder, length]) => `${folder}: longest opening has ${length} characters`),
    [],
  );
});

test("a suppressed lint rule tells its reason, and types are never suppressed", () => {
  const wrong = written.flatMap(({ path, text }) =>
    text
      .split("\n")
      .map((line, index) => ({ line, where: `${path}:${index + 1}` }))
      .filter(({ line }) =>
        /@ts-(?:ignore|nocheck|expect-error)|biome-ignore [^:]*(?:$|:\s*$)/.test(line),
      )
      .filter(({ where }) => !where.startsWith("test/style.test.ts"))
      .map(({ where }) => where),
  );
  assert.deepEqual(wrong, []);
});
