/** The `nodemesh` command as a process: what it does with its streams and exit codes. */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { ROOT } from "../support/source-files.ts";

const NODEMESH = join(ROOT, "bin/nodemesh");

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function run(...args: readonly string[]): Ended {
  return runAs("nodemesh", ...args);
}

/** Under the name of one of its links in bin. */
function runAs(link: string, ...args: readonly string[]): Ended {
  const program = join(ROOT, "bin", link);
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8" });
  return { code: status, out: stdout, err: stderr };
}

test("a reader that has gone ends the command quietly", async () => {
  const child = spawn(NODEMESH, ["install"], { stdio: ["ignore", "pipe", "pipe"] });
  // Long before it writes: it has yet to start.
  child.stdout.destroy();
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, "exit")]);
  assert.equal(said, "");
  assert.equal(code, 0);
});

test("--version says the version of this checkout", () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    version: string;
  };
  assert.deepEqual(run("--version"), { code: 0, out: `${version}\n`, err: "" });
});

test("-n is --namespace for what is installed and uninstalled", () => {
  for (const verb of ["install", "uninstall"]) {
    const { code, out } = run(verb, "-n", "elsewhere");
    assert.equal(code, 0);
    assert.equal(out, run(verb, "--namespace", "elsewhere").out);
    assert.match(out, /namespace: elsewhere/);
  }
});

test("wrong usage is exit code 2, what can't be done is 1, and both say why", () => {
  const wrong = run("agent", "nonsense");
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /Allowed choices are config, snapshot/);
  const refused = run("install", "-n", "default");
  assert.equal(refused.code, 1);
  assert.match(refused.err, /^error: option namespace: /);
});

test("as a plugin of kubectl it speaks of itself as it was called, and prints the same manifests", () => {
  const help = runAs("kubectl-nodemesh", "--help");
  assert.match(help.out, /^Usage: kubectl nodemesh /);
  const install = runAs("kubectl-nodemesh", "install", "--help");
  assert.match(install.out, /^Usage: kubectl nodemesh install /);
  assert.match(install.out, /print what to apply: kubectl nodemesh install \| kubectl apply/);
  const refused = runAs("kubectl-nodemesh", "install", "--set", "agent.cores=1");
  assert.match(refused.err, /`kubectl nodemesh install --help` lists all/);
  assert.equal(runAs("kubectl-nodemesh", "install").out, run("install").out);
});

test("kubectl completes its plugin, the simulator's commands too", () => {
  const offered = (...typed: readonly string[]) => runAs("kubectl_complete-nodemesh", ...typed).out;
  assert.match(offered("chec"), /^check\t.+\n:4\n$/);
  assert.equal(offered("check", "-o", "j"), "json\n:4\n");
  assert.match(offered("sim", "an"), /^annotate\t/);
});
