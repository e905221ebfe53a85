import assert from "node:assert/strict";
import { test } from "node:test";
import type { Cell } from "../harness/rounds.ts";
import { LOADS } from "./loads.ts";
import { NEW, OLD, ROUNDS_TO_JUDGE, ratiosOf, ratioTable } from "./ratios.ts";

const KEPT = "HTTP, kept connections";
/** What the old agent cost in as many rounds as a verdict needs. */
const FIVE = [20, 30, 25, 20, 30];

/** The cells of one figure, as rounds collect them: the yardstick's own ratios are 1. */
function cells(
  [workload, figure]: readonly [string, string],
  old: readonly number[],
  ratios: readonly number[],
): readonly Cell[] {
  const rounds = old.map((_, round) => round);
  const values = old.map((value, round) => value * (ratios[round] ?? 1));
  return [
    { workload, figure, peer: OLD, values: [...old], rounds, ratios: old.map(() => 1) },
    { workload, figure, peer: NEW, values, rounds, ratios: [...ratios] },
  ];
}

function verdicts(...found: readonly (readonly Cell[])[]): readonly string[] {
  return ratiosOf({ cells: found.flat() }).map(({ verdict }) => verdict);
}

test("a cost is missed only when the whole range lies above the limit", () => {
  const cpu = [KEPT, "cpuMicros"] as const;
  assert.deepEqual(verdicts(cells(cpu, FIVE, [1.04, 1.2, 1.031, 1.1, 1.1])), ["missed"]);
  assert.deepEqual(verdicts(cells(cpu, FIVE, [1.04, 1.2, 1.03, 1.1, 1.1])), ["kept"]);
  assert.deepEqual(verdicts(cells(cpu, FIVE, [1.4, 1.2, 0.9, 1.4, 1.4])), ["kept"]);
});

test("with few rounds nothing is judged, since chance would decide", () => {
  const cpu = [KEPT, "cpuMicros"] as const;
  const old = FIVE.slice(0, ROUNDS_TO_JUDGE - 1);
  const ratios = old.map(() => 2);
  assert.deepEqual(verdicts(cells(cpu, old, ratios)), ["told"]);
  assert.deepEqual(verdicts(cells(cpu, FIVE, [...ratios, 2])), ["missed"]);
});

test("memory is judged like CPU; requests a second are only told", () => {
  const [first = "idle"] = LOADS.map(({ name }) => name);
  assert.deepEqual(verdicts(cells([first, "residentMegabytes"], FIVE, [1.1, 1.1, 1.1, 1.1, 1.1])), [
    "missed",
  ]);
  assert.deepEqual(verdicts(cells([KEPT, "perSecond"], FIVE, [0.5, 0.5, 0.5, 0.5, 0.5])), ["told"]);
});

test("POSTs stand apart: last, and without a verdict", () => {
  const found = ratiosOf({
    cells: [
      ...cells(["POST, kept connections", "cpuMicros"], FIVE, [2, 2, 2, 2, 2]),
      ...cells([KEPT, "cpuMicros"], FIVE, [1, 1, 1, 1, 1]),
    ],
  });
  assert.deepEqual(
    found.map(({ load, verdict }) => [load, verdict]),
    [
      [KEPT, "kept"],
      ["POST, kept connections", "told"],
    ],
  );
});

test("a round that failed at one of the two compares nothing", () => {
  const [old, now] = cells([KEPT, "cpuMicros"], [20, 30], [1.1, 1.2]);
  assert.ok(old !== undefined && now !== undefined);
  assert.deepEqual(ratiosOf({ cells: [now] }), []);
  assert.deepEqual(ratiosOf({ cells: [old, { ...now, ratios: [] }] }), []);
  const [one] = ratiosOf({ cells: [old, { ...now, ratios: [1.1] }] });
  assert.deepEqual(one?.ratio, { median: 1.1, min: 1.1, max: 1.1 });
});

test("the table has medians of both and the ratio's median and range", () => {
  const table = ratioTable(
    ratiosOf({
      cells: cells([KEPT, "cpuMicros"], [20, 30, 40, 30, 30], [1.1, 1.05, 1.2, 1.1, 1.1]),
    }),
  );
  assert.match(
    table,
    /\| CPU, µs\/request \| HTTP, kept connections \| 30\.0 \| 33\.0 \| 1\.100 \(1\.050–1\.200\) \| missed \|/,
  );
});
