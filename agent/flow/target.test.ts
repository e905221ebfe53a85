import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint } from "#model/service.ts";
import { rig } from "./balance/testing.ts";
import { dualTarget } from "./target.ts";

function six(n: number): Endpoint {
  return { address: `fd00::${n}`, port: 8080, state: "ready", workload: `pod-${n}` };
}

function pair(sixes: number, fours = 3) {
  const dialled = rig({ endpoints: Array.from({ length: sixes }, (_, i) => six(i + 1)) });
  const four = rig({}).set;
  if (fours === 0) four.update({ balance: { kind: "random" }, endpoints: [] });
  return { target: dualTarget(dialled.set, four), time: dialled.time, six: dialled.set, four };
}

/** One request, whose connections are refused in the family that was dialled. Returns the addresses tried. */
function request(target: ReturnType<typeof pair>["target"]): readonly string[] {
  const tried: ReturnType<typeof pair>["six"]["endpoints"][number][] = [];
  for (;;) {
    const picked = target.pick({ key: 0, client: 0, tried });
    if (picked.kind === "refusal") return [...tried.map((one) => one.address), "refused"];
    tried.push(picked);
    const refused = picked.address.includes(":");
    if (refused) target.failed(picked, "connect");
    else target.answered(picked, 1);
    target.release(picked);
    if (!refused || tried.length === 3) return tried.map((one) => one.address);
  }
}

test("a service that listens in the other family only is served there, and remembered for a while", () => {
  const { target, time, six: dialled, four } = pair(3);
  const first = request(target);
  assert.equal(first.length, 3);
  assert.match(first[2] ?? "", /^10\./);
  request(target);
  for (let i = 0; i < 10; i++) {
    const tries = request(target);
    assert.equal(tries.length, 1, tries.join(" "));
    assert.match(tries[0] ?? "", /^10\./);
  }
  time.now += 6_000;
  assert.match(request(target)[0] ?? "", /^fd00/);
  for (const one of [...dialled.endpoints, ...four.endpoints]) assert.equal(one.active, 0);
});

test("one endpoint is enough to go to the other family at once", () => {
  const { target } = pair(1);
  const tries = request(target);
  assert.equal(tries.length, 2);
  assert.match(tries[1] ?? "", /^10\./);
});

test("a family without endpoints is no reason to refuse", () => {
  const { target } = pair(0);
  assert.match(request(target)[0] ?? "", /^10\./);
});

test("while the dialled family answers, the other one gets nothing", () => {
  const { target } = pair(2);
  for (let i = 0; i < 20; i++) {
    const picked = target.pick({ key: 0, client: 0, tried: [] });
    assert.ok(picked.kind === "endpoint" && picked.address.includes(":"));
    target.answered(picked, 1);
    target.release(picked);
  }
});

test("when nobody has endpoints the refusal says so", () => {
  const { target } = pair(0, 0);
  const picked = target.pick({ key: 0, client: 0, tried: [] });
  assert.ok(picked.kind === "refusal" && picked.reason === "no-endpoints");
});
