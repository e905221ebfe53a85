import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { ProcessIndex } from "./process-index.ts";

const UID = "0a1b2c3d-0000-4111-8222-333344445555";
const OTHER = "ffffffff-0000-4111-8222-333344445555";

/** A made-up procfs: a process is in a pod's cgroup, or with undefined in none. */
function procfs(t: TestContext): { proc: string; run(pid: number, uid: string | undefined): void } {
  const proc = mkdtempSync(join(tmpdir(), "nodemesh-proc-"));
  t.after(() => rmSync(proc, { recursive: true }));
  return {
    proc,
    run(pid, uid) {
      mkdirSync(join(proc, String(pid)), { recursive: true });
      const path = uid === undefined ? "/system.slice/x.service" : `/kubepods/pod${uid}/c1`;
      writeFileSync(join(proc, String(pid), "cgroup"), `0::${path}\n`);
    },
  };
}

test("a process number that went to another pod between two looks is read again after a sweep", (t) => {
  const { proc, run } = procfs(t);
  const index = new ProcessIndex(proc, () => 0);
  run(7, UID);
  run(8, UID);
  index.refresh();
  assert.deepEqual([...index.pidsOf(UID)], ["7", "8"]);
  run(7, OTHER);
  run(8, undefined);
  index.forgetAll();
  index.refresh();
  assert.deepEqual([...index.pidsOf(OTHER)], ["7"]);
  assert.deepEqual([...index.pidsOf(UID)], []);
});

test("a process outside pods is read again soon, and after a sweep at once", (t) => {
  const { proc, run } = procfs(t);
  let time = 0;
  const index = new ProcessIndex(proc, () => time);
  run(7, undefined);
  index.refresh();
  run(7, UID);
  index.refresh();
  assert.deepEqual([...index.pidsOf(UID)], []);
  time = 10;
  index.refresh();
  assert.deepEqual([...index.pidsOf(UID)], ["7"]);
  run(9, undefined);
  index.refresh();
  run(9, UID);
  index.forgetAll();
  index.refresh();
  assert.deepEqual([...index.pidsOf(UID)], ["7", "9"]);
});
