import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { CgroupLab } from "../../test/support/cgroup-lab.ts";
import { isInsideCgroup, resolveCgroup } from "./cgroup.ts";

test("auto is the root of cgroup v2, and every process is inside it", () => {
  const root = resolveCgroup("auto");
  assert.ok(isInsideCgroup(root));
});

test("a process is inside its own cgroup, and not inside one beside it", () => {
  using own = new CgroupLab();
  using beside = new CgroupLab();
  own.join();
  assert.ok(isInsideCgroup(own.path));
  assert.equal(isInsideCgroup(beside.path), false);
  assert.equal(resolveCgroup(own.path), own.path);
  assert.equal(dirname(own.path), resolveCgroup("auto"));
});

test("a process with a cgroup namespace of its own, as in a container, is still found inside", () => {
  using own = new CgroupLab();
  using beside = new CgroupLab();
  const module = join(import.meta.dirname, "cgroup.ts");
  const ask =
    `import { readFileSync } from "node:fs"; import { isInsideCgroup } from ${JSON.stringify(module)};` +
    `const [own, beside] = ${JSON.stringify([own.path, beside.path])};` +
    'console.log(/^0::\\/$/m.test(readFileSync("/proc/self/cgroup", "utf8")), isInsideCgroup(own), isInsideCgroup(beside))';
  const enter = 'echo $$ > "$0/cgroup.procs" && exec unshare --cgroup "$@"';
  const words = [process.execPath, "--input-type=module", "--eval", ask];
  const { stdout, stderr } = spawnSync("sh", ["-c", enter, own.path, ...words], {
    encoding: "utf8",
    timeout: 10_000,
  });
  assert.equal(stdout, "true true false\n", stderr);
});

test("a node with cgroup v1 alone is refused with what to run on it, and that is enough", () => {
  const module = join(import.meta.dirname, "cgroup.ts");
  const ask =
    `import { resolveCgroup } from ${JSON.stringify(module)};` +
    "try { console.log(resolveCgroup('auto')); } catch (error) { console.log(error.message); }";
  const node = [process.execPath, "--input-type=module", "--eval", ask];
  const scratch = mkdtempSync(join(tmpdir(), "nodemesh-cgroup-"));
  // A mount namespace of its own, without any cgroup v2; then with one, mounted as the message says.
  const script =
    'umount --lazy --all --types cgroup2; "$@"; mount -t cgroup2 cgroup2 "$0" && exec "$@"';
  const words = ["-c", 'exec unshare --mount sh -c "$@"', "sh", script, scratch, ...node];
  try {
    const { stdout, stderr } = spawnSync("sh", words, { encoding: "utf8", timeout: 10_000 });
    const [refusal = "", found] = stdout.trimEnd().split("\n");
    assert.match(
      refusal,
      /^this node has no cgroup v2 mounted.*: run there: mkdir -p .* mount -t cgroup2/,
      stderr,
    );
    assert.equal(found, scratch);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});

test("a directory that is no cgroup v2 is refused with what to do", () => {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-cgroup-"));
  try {
    assert.throws(
      () => resolveCgroup(directory),
      /is not a directory of cgroup v2: give --cgroup auto/,
    );
    assert.throws(() => resolveCgroup(join(directory, "none")), /is not a directory of cgroup v2/);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
