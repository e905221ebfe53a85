import assert from "node:assert/strict";
import { test } from "node:test";
import { type LoadSecond, settled, sumOf } from "./load-sum.ts";

const RATE = 30;

/** A load that says something each second from second 1 on. */
function load(count: number, over: Readonly<Record<number, Partial<LoadSecond>>> = {}) {
  return Array.from(
    { length: count },
    (_, i): LoadSecond => ({
      at: (i + 1) * 1000,
      ok: RATE,
      failed: 0,
      errors: {},
      slowestMs: 5,
      ...over[i + 1],
    }),
  );
}

test("seconds are added up within the time that is asked about, against the wall clock", () => {
  const all = load(10, {
    4: { ok: 0, failed: 22, errors: { timeout: 22 } },
    5: { ok: 0, failed: 23, errors: { timeout: 21, ECONNRESET: 2 }, slowestMs: 0 },
    6: { slowestMs: 70 },
    9: { failed: 1000 },
  });
  assert.deepEqual(sumOf(all, { from: 2_000, to: 7_000, rate: RATE }), {
    ok: 90,
    failed: 45,
    errors: { timeout: 43, ECONNRESET: 2 },
    slowestMs: 70,
    silence: 2,
    seconds: 5,
    timeline: "30 0/22 0/23 30 30",
  });
});

test("a load that stopped, or told of nothing, is no success", () => {
  const of = (all: readonly LoadSecond[], from: number, to: number) => () =>
    sumOf(all, { from, to, rate: RATE });
  assert.throws(of([], 0, 2_000), /tells of 0 requests in 2\.0 s of 30 each/);
  assert.throws(of([], 1_000, 1_001), /tells of 0/);
  assert.throws(of(load(5), 5_000, 65_000), /tells of 0 requests in 60\.0 s/);
  assert.throws(of(load(30), 0, 60_000), /tells of 900 requests in 60\.0 s.*it stopped/);
});

test("lines that come late on a busy machine, and those at the edges, are no gap", () => {
  // Half as many lines, each telling of twice as many requests.
  const late = load(30, {}).map((second, i) => ({ ...second, at: (i + 1) * 2000, ok: 2 * RATE }));
  assert.equal(sumOf(late, { from: 0, to: 60_000, rate: RATE }).seconds, 60);
  assert.equal(sumOf(load(60), { from: 500, to: 2_400, rate: RATE }).ok, 60);
  assert.equal(sumOf(load(60), { from: 1_500, to: 3_400, rate: RATE }).ok, 60);
});

test("a moment is settled by the first line after it that tells of no open request from before it", () => {
  const all = load(6, {
    2: { oldest: 1_900 },
    3: { oldest: 1_900 },
    4: { oldest: 2_100 },
    5: { oldest: 2_600 },
  });
  assert.equal(settled(all, 2_100)?.at, 5_000);
  assert.equal(settled(all, 1_900)?.at, 4_000);
  assert.equal(settled(all, 1_000)?.at, 2_000);
  assert.equal(settled(all, 5_999)?.at, 6_000);
  assert.equal(settled(all, 6_000), undefined, "what came after the last line nobody knows");
});
