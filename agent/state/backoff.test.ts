import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "./backoff.ts";

test("waits double up to the longest, start over after success, and jitter by half", () => {
  const longest = new Backoff(() => 1);
  assert.deepEqual(
    Array.from({ length: 9 }, () => longest.next()),
    [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000],
  );
  longest.reset();
  assert.equal(longest.next(), 100);
  assert.equal(new Backoff(() => 0).next(), 50);
});
