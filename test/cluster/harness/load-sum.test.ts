import assert from "node:assert/strict";
import { test } from "node:test";
import { type LoadSecond, sumOf } from "./load-sum.ts";

/** A load that says something each second from second 1 on. */
function load(count: number, over: Readonly<Record<number, Partial<LoadSecond>>> = {}) {
  return Array.from(
    { length: count },
    (_, i): LoadSecond => ({
      at: (i + 1) * 1000,
      ok: 30,
      failed: 0,
      errors: {},
      slowestMs: 5,
      ...over[i + 1],
    }),
  );
}

test("seconds are added up within the time that is asked about, against the wall clock", () => {
  const all = load(10, {
    4: { ok: 0, failed: 2, errors: { timeout: 2 } },
    5: { ok: 0, failed: 3, errors: { timeout: 1, ECONNRESET: 2 }, slowestMs: 0 },
    6: { slowestMs: 70 },
    9: { failed: 1000 },
  });
  assert.deepEqual(sumOf(all, 2_000, 7_000), {
    ok: 90,
    failed: 5,
    errors: { timeout: 3, ECONNRESET: 2 },
    slowestMs: 70,
    silence: 2,
    seconds: 5,
    timeline: "30 0/2 0/3 30 30",
  });
});

test("a load that stopped, or told of nothing, is no success", () => {
  assert.throws(() => sumOf([], 0, 2_000), /tells of 0 of 2\.0 s/);
  assert.throws(() => sumOf([], 1_000, 1_001), /tells of 0/);
  assert.throws(() => sumOf(load(5), 5_000, 65_000), /tells of 0 of 60\.0 s: it stopped/);
  assert.throws(() => sumOf(load(30), 0, 60_000), /tells of 30 of 60\.0 s/);
});

test("lines that come late on a busy machine, and those at the edges, are no gap", () => {
  const late = load(52).map((second, i) => ({ ...second, at: (i + 1) * 1150 }));
  assert.equal(sumOf(late, 0, 60_000).seconds, 60);
  assert.equal(sumOf(load(60), 500, 2_400).ok, 60);
  assert.equal(sumOf(load(60), 1_500, 3_400).ok, 60);
});
