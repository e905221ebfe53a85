import assert from "node:assert/strict";
import { test } from "node:test";
import { lagsOf, quantile } from "./lag.ts";

const arrival = (
  version: number,
  services: readonly string[],
  seenAt: number,
  settledAt?: number,
) => ({
  version,
  services,
  seenAt,
  settledAt,
});

test("an event lasts from its sending or its answer to the settling of the first version that holds it", () => {
  const arrivals = [
    arrival(1, ["shop/a"], 5, 8),
    arrival(2, ["shop/b"], 20, 25),
    arrival(3, ["shop/a", "shop/b"], 30, 41),
    arrival(4, ["shop/a"], 50, 52),
  ];
  const events = [
    { service: "shop/a", sentAt: 10, at: 11 },
    { service: "shop/b", sentAt: 19, at: 21 },
  ];
  assert.deepEqual(lagsOf(events, arrivals), [
    { sinceSentMs: 31, sinceAnsweredMs: 30 },
    { sinceSentMs: 6, sinceAnsweredMs: 4 },
  ]);
});

test("an event that never got there is told as such, not left out", () => {
  const events = [
    { service: "shop/a", sentAt: 1, at: 2 },
    { service: "shop/b", sentAt: 1, at: 2 },
  ];
  assert.deepEqual(lagsOf(events, [arrival(1, ["shop/a"], 3)]), [undefined, undefined]);
});

test("a quantile is a value that was measured", () => {
  const values = Array.from({ length: 200 }, (_, index) => 200 - index);
  assert.equal(quantile(values, 0.5), 100);
  assert.equal(quantile(values, 0.99), 198);
  assert.equal(quantile(values, 1), 200);
  assert.equal(quantile([3], 0.99), 3);
  assert.throws(() => quantile([], 0.5));
});
