import assert from "node:assert/strict";
import { test } from "node:test";
import { Quorum } from "./quorum.ts";

test("a version is settled by the member that makes the share, not before", () => {
  const quorum = new Quorum(4, 0.75);
  quorum.await(7);
  assert.deepEqual(quorum.acked(0, 7), []);
  assert.deepEqual(quorum.acked(0, 7), [], "the same word again counts once");
  assert.deepEqual(quorum.acked(1, 7), []);
  assert.deepEqual(quorum.acked(2, 7), [7]);
  assert.deepEqual(quorum.acked(3, 7), []);
});

test("a later version counts for all before it, also for those awaited afterwards", () => {
  const quorum = new Quorum(2, 1);
  quorum.await(3);
  assert.deepEqual(quorum.acked(1, 9), []);
  quorum.await(4);
  quorum.await(9);
  quorum.await(10);
  assert.deepEqual(quorum.acked(0, 4), [3, 4]);
  assert.deepEqual(quorum.acked(0, 10), [9]);
  assert.deepEqual(quorum.acked(1, 10), [10]);
});
