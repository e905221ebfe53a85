import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { GroupResult } from "./group-run.ts";

const run = promisify(execFile);

/** Runs a test file's text as a group in a process of its own: node:test does not run within itself. */
async function result(text: string, group: object, abortAfterMs?: number): Promise<GroupResult> {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-group-"));
  try {
    const file = join(folder, "some.test.mjs");
    writeFileSync(file, text);
    const whole = { name: "some", concurrency: 1, timeoutMs: 30_000, onDemand: false, ...group };
    const module = JSON.stringify(join(import.meta.dirname, "group-run.ts"));
    const signal =
      abortAfterMs === undefined ? "undefined" : `AbortSignal.timeout(${abortAfterMs})`;
    const script = `
      import { runGroup } from ${module};
      const result = await runGroup(${JSON.stringify(whole)}, [${JSON.stringify(file)}], () => {}, ${signal});
      process.stdout.write(JSON.stringify(result));`;
    const main = join(folder, "main.mjs");
    writeFileSync(main, script);
    const { stdout } = await run(process.execPath, [main], { env: { PATH: "/usr/bin:/bin" } });
    return JSON.parse(stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const HANGS = `
  import { test } from "node:test";
  test("hangs", () => new Promise((resolve) => setTimeout(resolve, 3_000)));
  test("works", () => {});`;

test("a test that hangs fails after the group's time for a test, and the next one runs", async () => {
  const { passed, failures } = await result(HANGS, { testTimeoutMs: 200 });
  assert.equal(passed, 1);
  assert.match(failures.join(), /hangs[\s\S]*timed out after 200ms/);
});

test("without such a time a test may take as long as its file", async () => {
  const { passed, failures } = await result(HANGS, {});
  assert.deepEqual([passed, failures], [2, []]);
});

test("an aborted group ends at once, and has failed", async () => {
  const from = performance.now();
  const { passed, failures } = await result(HANGS.replace("3_000", "25_000"), {}, 1_000);
  assert.equal(passed, 0);
  assert.match(failures.join(), /aborted/);
  assert.ok(performance.now() - from < 15_000);
});
