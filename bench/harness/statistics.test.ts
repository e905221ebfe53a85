import assert from "node:assert/strict";
import { test } from "node:test";
import { spread } from "./statistics.ts";

test("the median of an odd number of rounds is the middle one", () => {
  assert.deepEqual(spread([3, 1, 2]), { median: 2, min: 1, max: 3 });
});

test("the median of an even number of rounds lies between the middle two", () => {
  assert.deepEqual(spread([4, 1, 2, 3]), { median: 2.5, min: 1, max: 4 });
});

test("no rounds is an error, not a zero", () => {
  assert.throws(() => spread([]), /no round/);
});
