import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readLog } from "./log-file.ts";

function fileOf(context: TestContext, text?: string): string {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-log-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "log");
  if (text !== undefined) writeFileSync(path, text);
  return path;
}

/** The text of the pieces from here to the end, and how many there were. */
function rest(path: string, from: number): readonly [text: string, pieces: number] {
  let [text, pieces, next] = ["", 0, from];
  for (;;) {
    const piece = readLog(path, next);
    if (piece.next === next) return [text, pieces];
    text += piece.bytes.toString();
    next = piece.next;
    pieces++;
  }
}

test("a file that is not there yet is empty", (context) => {
  const path = fileOf(context);
  assert.deepEqual(readLog(path), { bytes: Buffer.alloc(0), next: 0 });
  writeFileSync(path, "begun\n");
  assert.deepEqual(rest(path, 0), ["begun\n", 1]);
});

test("what is appended comes once, in pieces that together are all of it", (context) => {
  const path = fileOf(context, "one\n");
  const first = readLog(path);
  assert.equal(first.bytes.toString(), "one\n");
  const more = "more of it\n".repeat(60_000);
  appendFileSync(path, more);
  const [text, pieces] = rest(path, first.next);
  assert.equal(text, more);
  assert.ok(pieces > 1, "a piece has no limit");
});

test("the first look at a long file begins with a whole line and goes to its end", (context) => {
  const lines = Array.from({ length: 60_000 }, (_, number) => `line ${number}\n`);
  const path = fileOf(context, lines.join(""));
  const { bytes, next } = readLog(path);
  const text = bytes.toString();
  assert.match(text, /^line \d+\n/);
  assert.ok(lines.join("").endsWith(`\n${text}`));
  assert.deepEqual(rest(path, next), ["", 0]);
});

test("a file that has begun anew is shown from its beginning", (context) => {
  const path = fileOf(context, "a long first life\n");
  const { next } = readLog(path);
  writeFileSync(path, "second\n");
  assert.equal(readLog(path, next).bytes.toString(), "second\n");
});
