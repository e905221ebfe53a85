import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { ownFolder } from "./folder.ts";

test("a run removes what dead runs have left, and nothing else", (t) => {
  const base = mkdtempSync(join(tmpdir(), "nodemesh-folder-"));
  t.after(() => rmSync(base, { recursive: true }));
  const { pid: dead } = spawnSync("/bin/true");
  mkdirSync(join(base, `nodemesh-scale-${dead}-AbC123`, "etcd"), { recursive: true });
  const others = [
    `nodemesh-scale-${process.ppid}-AbC123`,
    "nodemesh-scale-x",
    `other-${dead}-AbC123`,
  ];
  for (const name of others) mkdirSync(join(base, name));
  writeFileSync(join(base, "a-file"), "");

  const own = ownFolder(base);
  assert.deepEqual(readdirSync(base).sort(), ["a-file", basename(own), ...others].sort());
  assert.notEqual(ownFolder(base), own);
});
