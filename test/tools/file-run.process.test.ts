import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isAlive } from "../support/is-alive.ts";
import { until } from "../support/until.ts";
import { type FileOptions, type FileResult, runFile } from "./file-run.ts";

/** Runs a test file's text. */
async function result(text: string, options: Partial<FileOptions> = {}): Promise<FileResult> {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-file-"));
  try {
    const file = join(folder, "some.test.mjs");
    writeFileSync(file, text);
    const scratch = join(folder, "scratch");
    const done = await runFile(file, { timeoutMs: 30_000, ownMachine: false, scratch, ...options });
    assert.ok(!existsSync(scratch));
    return done;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const HANGS = `
  import { test } from "node:test";
  test("hangs", () => new Promise((resolve) => setTimeout(resolve, 1_500)));
  test("works", () => {});`;
const HANGS_LONG: string = HANGS.replace("1_500", "25_000");

test("a test that hangs fails after the time for a test, and the next one runs", async () => {
  const { passed, failures } = await result(HANGS, { testTimeoutMs: 200 });
  assert.equal(passed, 1);
  assert.match(failures.join(), /hangs[\s\S]*timed out after 200ms/);
});

test("without such a time a test may take as long as its file", async () => {
  const { passed, failures } = await result(HANGS);
  assert.deepEqual([passed, failures], [2, []]);
});

test("a file that takes too long is ended, and says where it was", async () => {
  const from = performance.now();
  const { passed, failures } = await result(HANGS_LONG, { timeoutMs: 4_000 });
  assert.equal(passed, 0);
  assert.match(failures.join(), /was not over after 4 s, during: hangs/);
  assert.ok(performance.now() - from < 15_000);
});

test("an aborted file ends at once, and has failed", async () => {
  const from = performance.now();
  const { passed, failures } = await result(HANGS_LONG, { signal: AbortSignal.timeout(1_000) });
  assert.equal(passed, 0);
  assert.match(failures.join(), /aborted/);
  assert.ok(performance.now() - from < 15_000);
});

test("a file that is ended takes with it what it started", async () => {
  const { failures } = await result(
    `
    import { spawn } from "node:child_process";
    import { test } from "node:test";
    const child = spawn("sleep", ["1000"]);
    console.log("pid:" + child.pid);
    test("hangs", () => new Promise(() => setTimeout(() => {}, 25_000)));`,
    { timeoutMs: 4_000 },
  );
  const pid = Number(/pid:(\d+)/.exec(failures.join())?.[1]);
  await until("it has ended", () => !isAlive(pid));
});

test("a file counts what it ran, and tells failures with what it printed", async () => {
  const { passed, failures, announced, said } = await result(`
    import assert from "node:assert/strict";
    import { describe, test } from "node:test";
    console.log("a word of mine");
    describe("all", () => {
      test("good", (t) => t.diagnostic("measured 7"));
      test("bad", () => assert.equal(1, 2));
      test("elsewhere", { skip: "announced: not here" }, () => {});
      test("lazy", { skip: true }, () => {});
    });`);
  assert.equal(passed, 1);
  assert.equal(failures.length, 2);
  assert.match(
    failures.join("\n"),
    /: bad\n[\s\S]*1 !== 2[\s\S]*: lazy: skipped without[\s\S]*it printed:\n\s*a word of mine/,
  );
  assert.deepEqual(said, ["measured 7"]);
  assert.match(announced.join(), /: elsewhere \(announced: not here\)$/);
});

test("a file that breaks, ends early or holds no test has failed", async () => {
  const texts: readonly (readonly [string, RegExp])[] = [
    ["nonsense here", /ended with exit code 1[\s\S]*SyntaxError/],
    [`${HANGS}; process.exit(7)`, /ended with exit code 7/],
    ["process.kill(process.pid, 'SIGKILL')", /was ended by SIGKILL/],
    ["console.log('nothing')", /holds no test that ran/],
  ];
  for (const [text, why] of texts) {
    const { failures } = await result(text);
    assert.equal(failures.length, 1, text);
    assert.match(failures[0] ?? "", why);
  }
});

test("what a file leaves behind is told, in its machine and among its temporary files", async () => {
  const text = `
    import { spawn } from "node:child_process";
    import { mkdtempSync, writeFileSync } from "node:fs";
    import { tmpdir } from "node:os";
    import { test } from "node:test";
    test("leaves", () => {
      mkdtempSync(tmpdir() + "/left-");
      writeFileSync("/run/left", "");
      spawn("sleep", ["1000"], { detached: true, stdio: "ignore" }).unref();
    });`;
  const { passed, failures, left } = await result(text, { ownMachine: true });
  assert.deepEqual([passed, failures], [1, []]);
  const words = left
    .map((word) => word.replace(/ \d+ .*/, " N").replace(/left-.*/, "left-X"))
    .sort();
  assert.deepEqual(words, ["file /run/left", "process N", "temporary left-X"]);
});
