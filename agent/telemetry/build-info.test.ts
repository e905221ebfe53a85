import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { readBuildInfo } from "./build-info.ts";

test("a checkout knows its version, Node.js and kernel", () => {
  const { version, revision, node_version, kernel } = readBuildInfo();
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual([revision, node_version, kernel], ["unknown", process.version, release()]);
});

test("an image knows its commit", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "nodemesh-build-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "package.json");
  writeFileSync(file, JSON.stringify({ version: "1.2.3", gitHead: "0301e20" }));
  const { version, revision } = readBuildInfo(pathToFileURL(file));
  assert.deepEqual([version, revision], ["1.2.3", "0301e20"]);
  writeFileSync(file, JSON.stringify({ version: 3 }));
  assert.deepEqual(readBuildInfo(pathToFileURL(file)).version, "unknown");
});
