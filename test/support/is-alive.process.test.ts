import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { isAlive } from "./is-alive.ts";
import { until } from "./until.ts";

/** exit(2) ends the calling thread only; Node's other threads stay. */
const EXIT = process.arch === "x64" ? 60 : 93;
const FIRST_THREAD_ENDS = `
  const libc = (await import("koffi")).default.load("libc.so.6");
  libc.func("long syscall(long, long)")(${EXIT}, 0);
`;

test("a process is alive until its last thread has ended, whatever its first one says", async () => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", FIRST_THREAD_ENDS]);
  const { pid = 0 } = child;
  try {
    await until("its first thread has ended", () =>
      /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8")),
    );
    assert.equal(isAlive(pid), true);
  } finally {
    child.kill("SIGKILL");
  }
  await until("all of it has ended", () => !isAlive(pid));
});
