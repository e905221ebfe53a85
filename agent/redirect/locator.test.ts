import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { createNetns, deleteNetns } from "../kernel/netns.ts";
import { DirectoryLocator } from "./locator.ts";

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "nodemesh-locator-"));
  t.after(() => {
    deleteNetns(join(path, "pod"));
    rmSync(path, { recursive: true });
  });
  return path;
}

test("a pod nobody knows, a file that is no namespace, and the node's own are not found, each by its reason", (t) => {
  const path = directory(t);
  writeFileSync(join(path, "making"), "");
  symlinkSync("/proc/self/ns/net", join(path, "host"));
  using locator = new DirectoryLocator(path);
  assert.deepEqual(locator.locate("nobody"), { kind: "absent", reason: "no-such-pod" });
  assert.deepEqual(locator.locate("making"), { kind: "absent", reason: "not-a-namespace" });
  assert.deepEqual(locator.locate("host"), { kind: "absent", reason: "host-network" });
});

test("a namespace that appears is told, also when the file was there before the mount", async (t) => {
  const path = directory(t);
  using locator = new DirectoryLocator(path);
  const events = new EventEmitter();
  locator.onChange((uid) => {
    if (locator.locate(uid).kind === "found") events.emit("found", uid);
  });
  const found = once(events, "found", { signal: AbortSignal.timeout(5000) });
  createNetns(join(path, "pod"));
  assert.deepEqual(await found, ["pod"]);
});

test("a namespace that goes is told", async (t) => {
  const path = directory(t);
  createNetns(join(path, "pod"));
  using locator = new DirectoryLocator(path);
  const events = new EventEmitter();
  locator.onChange((uid) => {
    if (locator.locate(uid).kind === "absent") events.emit("gone", uid);
  });
  const gone = once(events, "gone", { signal: AbortSignal.timeout(5000) });
  deleteNetns(join(path, "pod"));
  assert.deepEqual(await gone, ["pod"]);
});
