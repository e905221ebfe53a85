import assert from "node:assert/strict";
import { test } from "node:test";
import type { Condition } from "../k8s/api/condition.ts";
import { Rivals } from "./rivals.ts";

const MINUTE_MS = 60_000;

function rig() {
  const time = { now: 0 };
  const told: Condition[] = [];
  const rivals = new Rivals({ now: () => time.now, onNew: (one) => told.push(one) });
  return { time, told, rivals };
}

test("another pod that wants to be a node's agent is told on the node, once, for ten minutes after the last time", () => {
  const { time, told, rivals } = rig();
  const rival = { kind: "refused", node: "n1", pod: "u2", by: "u1" } as const;
  for (let i = 0; i < 3; i++) {
    rivals.take(rival);
    time.now += 5 * MINUTE_MS;
  }
  assert.equal(told.length, 1);
  assert.deepEqual(told[0]?.ref, { kind: "Node", namespace: "", name: "n1" });
  assert.match(told[0]?.problem ?? "", /^pod u2 wants to be its agent while pod u1 is/);
  assert.equal(rivals.conditions().length, 1);
  time.now += 6 * MINUTE_MS;
  assert.deepEqual(rivals.conditions(), []);
});

test("an agent that comes back now and then is nobody's rival; several with one token are", () => {
  const { time, told, rivals } = rig();
  const rival = { kind: "replaced", node: "n1", pod: "u1" } as const;
  for (let i = 0; i < 20; i++) {
    rivals.take(rival);
    time.now += MINUTE_MS / 3;
  }
  assert.equal(told.length, 0);
  for (let i = 0; i < 10; i++) rivals.take(rival);
  assert.match(
    told.at(-1)?.problem ?? "",
    /several processes follow as its agent with the token of pod u1/,
  );
});

test("what is remembered is bounded", () => {
  const { rivals } = rig();
  for (let i = 0; i < 6_000; i++)
    rivals.take({ kind: "refused", node: `n${i}`, pod: undefined, by: undefined });
  assert.equal(rivals.conditions().length, 5_000);
});
