import assert from "node:assert/strict";
import { test } from "node:test";
import { assertFeatures, kernelFeatures } from "./features.ts";

test("the running kernel has all that the programs need", () => {
  const features = kernelFeatures();
  assert.deepEqual([...new Set(Object.values(features))], [true]);
  assertFeatures(features);
});

test("what is missing is named with the kernel that brought it, and nothing else", () => {
  const features = { ...kernelFeatures(), "sk_lookup programs": false, "socket hashes": false };
  assert.throws(
    () => assertFeatures(features),
    (error: Error) => {
      assert.match(
        error.message,
        /^this kernel does not give the agent: sk_lookup programs \(Linux 5\.9\), socket hashes \(Linux 4\.18\)\. Boot/,
      );
      return true;
    },
  );
});
