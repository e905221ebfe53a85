import assert from "node:assert/strict";
import { test } from "node:test";
import { OwnHost } from "./own-host.ts";

test("a node's own addresses are read when asked for, and again after ten seconds", () => {
  let now = 0;
  let reads = 0;
  let addresses = ["10.0.0.1"];
  const host = new OwnHost(
    () => now,
    () => {
      reads++;
      return addresses;
    },
  );
  assert.equal(reads, 0);
  assert.deepEqual([host.has("10.0.0.1"), host.has("10.0.0.2")], [true, false]);
  addresses = ["10.0.0.2"];
  now = 9_999;
  assert.deepEqual([host.has("10.0.0.1"), host.has("10.0.0.2"), reads], [true, false, 1]);
  now = 10_000;
  assert.deepEqual([host.has("10.0.0.1"), host.has("10.0.0.2"), reads], [false, true, 2]);
});

test("the system names this machine's loopback", () => {
  assert.ok(new OwnHost(() => 0).has("127.0.0.1"));
});
