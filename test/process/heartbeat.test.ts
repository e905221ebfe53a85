/** What the kernel is told while an agent's main thread is busy, or hangs. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../support/busy-main.ts", import.meta.url));

function busyFor(milliseconds: number) {
  const { execPath, execArgv } = process;
  const args = [...execArgv.filter((one) => !one.startsWith("--test")), MAIN, String(milliseconds)];
  return spawnSync(execPath, args, { encoding: "utf8", timeout: 120_000 });
}

test("a main thread that is busy for 4 s does not stop the data worker's beats, and says goodbye at its end", () => {
  const { stdout, stderr, status } = busyFor(4_000);
  const [since = "", last] = stdout.split("\n");
  assert.equal(status, 0, stderr);
  // Without the worker's beats it would be all of the time.
  assert.ok(Number(since) < 2_500, `${since} ms`);
  assert.equal(last, "goodbye");
});

test("a main thread that hangs ends the agent, which says why", () => {
  const { stdout, stderr, signal } = busyFor(100_000);
  assert.equal(signal, "SIGABRT", stderr);
  assert.match(stderr, /"level":"error","message":"the main thread hangs: the agent ends/);
  assert.equal(stdout, "");
});
