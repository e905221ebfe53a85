import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSE_STALL_MS, Delivery, OVER } from "./delivery.ts";

test("a peer that takes a little from time to time is waited for, however long it needs", () => {
  const delivery = new Delivery(CLOSE_STALL_MS);
  let now = 0;
  for (let left = 1_000; left > 0; left--) {
    now += CLOSE_STALL_MS - 1;
    assert.notEqual(delivery.look(left, now), OVER);
  }
  assert.equal(delivery.look(0, now), OVER);
});

test("a peer that takes nothing is given up after the patience, counted from what it took last", () => {
  const delivery = new Delivery(CLOSE_STALL_MS);
  delivery.look(100, 0);
  assert.notEqual(delivery.look(99, 5_000), OVER);
  assert.notEqual(delivery.look(99, 5_000 + CLOSE_STALL_MS - 1), OVER);
  assert.equal(delivery.look(99, 5_000 + CLOSE_STALL_MS), OVER);
});

test("looks become rarer, up to a bound", () => {
  const delivery = new Delivery(CLOSE_STALL_MS);
  const pauses = Array.from({ length: 8 }, () => delivery.look(1, 0));
  assert.deepEqual(pauses, [20, 40, 80, 160, 320, 640, 640, 640]);
});
