import assert from "node:assert/strict";
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
