import assert from "node:assert/strict";
import { test } from "node:test";
import type { Statement } from "./events.ts";
import { EventLedger } from "./ledger.ts";

const MINUTE_MS = 60_000;
const START = 1_000_000_000;

function statement(problem: string, pod: string = "user"): Statement {
  return {
    ref: { kind: "Pod", namespace: "shop", name: pod },
    uid: pod,
    namespace: "shop",
    name: `${pod}.${problem}`,
    type: "Warning",
    reason: "HostNetwork",
    message: problem,
  };
}

/** A ledger and a clock; `look` tells all that is due. */
class Lab {
  readonly ledger = new EventLedger();
  now = START;

  /** What was told, as `name count`. */
  look(statements: readonly Statement[], most: number = 100): readonly string[] {
    const due = this.ledger.due(statements, this.now, most);
    for (const one of due) this.ledger.told(one, this.now);
    return due.map(({ statement: { name }, count }) => `${name} ${count}`);
  }
}

test("a problem is told once, and again after fifty minutes while it lasts", () => {
  const lab = new Lab();
  const all = [statement("a")];
  assert.deepEqual(lab.look(all), ["user.a 1"]);
  for (let i = 0; i < 49; i++) {
    lab.now += MINUTE_MS;
    assert.deepEqual(lab.look(all), []);
  }
  lab.now += MINUTE_MS;
  assert.deepEqual(lab.look(all), ["user.a 2"]);
});

test("a problem that comes back counts up", () => {
  const lab = new Lab();
  lab.look([statement("a")]);
  assert.deepEqual(lab.look([]), []);
  assert.deepEqual(lab.look([statement("a")]), ["user.a 2"]);
});

test("what the API server has forgotten is new", () => {
  const lab = new Lab();
  lab.look([statement("a")]);
  lab.look([]);
  lab.now += 61 * MINUTE_MS;
  assert.deepEqual(lab.look([statement("a")]), ["user.a 1"]);
});

test("a new leader repeats nothing of the last hour", () => {
  const lab = new Lab();
  lab.ledger.remember({ namespace: "shop", name: "user.a" }, 7, START - 30 * MINUTE_MS);
  assert.deepEqual(lab.look([statement("a"), statement("b")]), ["user.b 1"]);
  lab.now += 20 * MINUTE_MS;
  assert.deepEqual(lab.look([statement("a"), statement("b")]), ["user.a 8"]);
});

test("one object gets a few at once and then one in five minutes, others are not held up", () => {
  const lab = new Lab();
  const flood = Array.from({ length: 20 }, (_, i) => statement(`p${i}`));
  const all = [...flood, statement("x", "order")];
  assert.deepEqual(lab.look(all), [
    ...["p0", "p1", "p2", "p3", "p4"].map((name) => `user.${name} 1`),
    "order.x 1",
  ]);
  assert.deepEqual(lab.look(all), []);
  lab.now += 5 * MINUTE_MS;
  assert.deepEqual(lab.look(all), ["user.p5 1"]);
});

test("a thousand flips of one annotation are a handful of Events", () => {
  const lab = new Lab();
  let told = 0;
  for (let flip = 0; flip < 1000; flip++) {
    told += lab.look(flip % 2 === 0 ? [statement("a")] : []).length;
    lab.now += 100;
  }
  assert.equal(told, 5);
});

test("a look tells at most so many, the rest comes with the next; doubles count once", () => {
  const lab = new Lab();
  const all = Array.from({ length: 120 }, (_, i) => statement("a", `pod-${i}`));
  assert.equal(lab.look([...all, ...all], 50).length, 50);
  assert.equal(lab.look(all, 50).length, 50);
  assert.equal(lab.look(all, 50).length, 20);
  assert.equal(lab.look(all, 50).length, 0);
});

test("what was not told stays due", () => {
  const lab = new Lab();
  assert.equal(lab.ledger.due([statement("a")], lab.now, 10).length, 1);
  assert.deepEqual(lab.look([statement("a")]), ["user.a 1"]);
});

test("memory is bounded, and what still holds is forgotten last", () => {
  const lab = new Lab();
  const kept = [statement("a", "kept")];
  lab.look(kept);
  for (let round = 0; round < 30; round++) {
    const all = Array.from({ length: 1000 }, (_, i) => statement("a", `pod-${round}-${i}`));
    lab.look([...kept, ...all], 1000);
  }
  lab.look(kept);
  assert.ok(lab.ledger.size <= 20_000, `${lab.ledger.size} are remembered`);
  assert.deepEqual(lab.look(kept), []);
});
