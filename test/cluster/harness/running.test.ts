import assert from "node:assert/strict";
import { test } from "node:test";
import { RunningProgram } from "./running.ts";

function shell(script: string): RunningProgram {
  return new RunningProgram("/bin/sh", ["-c", script], { PATH: "/usr/bin:/bin" });
}

test("what a program says is waited for, also what comes later, and it is ended", async () => {
  await using program = shell("echo one; read line </dev/null; echo two 22; exec sleep 60");
  assert.equal((await program.says(/two (\d+)/))[1], "22");
  assert.equal(program.said, "one\ntwo 22\n");
});

test("what a function finds in it is waited for", async () => {
  await using program = shell("echo 1; echo 2; exec sleep 60");
  const two = (said: string): string | undefined =>
    said.split("\n").length === 3 ? said : undefined;
  assert.equal(await program.tells("two lines", two), "1\n2\n");
});

test("a program that fails says why instead of being waited for", async () => {
  await using program = shell("echo some; echo no such pod >&2; exit 1");
  await assert.rejects(program.says(/forwarding/), /ended, .*forwarding.*: no such pod/);
  await using absent = new RunningProgram("/no/such/program", [], {});
  await assert.rejects(absent.says(/./), /ENOENT/);
});

test("a program that says nothing is given up, with its standard error", async () => {
  await using program = shell("echo still trying >&2; exec sleep 60");
  await assert.rejects(program.says(/./, 1_000), /in 1000 ms.*: still trying/);
});
