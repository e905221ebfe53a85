import assert from "node:assert/strict";
import { test } from "node:test";
import { HeadSlots } from "./head-slots.ts";

test("slots never overlap, come back, and end at their number", () => {
  const slots = new HeadSlots();
  const taken: Uint8Array[] = [];
  for (let slot = slots.take(1); slot !== undefined; slot = slots.take(1)) taken.push(slot);
  assert.equal(taken.length, 1024);
  for (const [index, slot] of taken.entries()) slot.fill(index & 0xff);
  for (const [index, slot] of taken.entries())
    assert.ok(slot.every((byte) => byte === (index & 0xff)));
  const back = taken[7] as Uint8Array;
  slots.give(back);
  assert.equal(slots.take(1), undefined);
  slots.recycle();
  assert.equal(slots.take(2048), back);
  assert.equal(slots.take(1), undefined);
});

test("what is longer than a slot gets none", () => {
  assert.equal(new HeadSlots().take(2049), undefined);
});
