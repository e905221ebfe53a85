import assert from "node:assert/strict";
import { test } from "node:test";
import { installObjects } from "../../deploy/manifests/objects.ts";
import { parseOptions } from "../../deploy/manifests/options.ts";
import type { Api, ApiAnswer } from "./cluster.ts";
import { assertServed, needsOperator, type OperatorSight, seeOperator } from "./operator.ts";

const plain = installObjects(parseOptions({}));
const asked = installObjects(parseOptions({ prometheus: { podMonitors: true, rules: true } }));

function answering(answer: ApiAnswer): Api {
  const post = (): never => assert.fail("looking writes nothing");
  return { server: "https://api", post, get: () => Promise.resolve(answer) };
}

function saysOf(...kinds: readonly string[]): Promise<OperatorSight> {
  const resources = [...kinds, "Probe"].map((kind) => ({ kind }));
  return seeOperator(answering({ kind: "ok", body: { resources }, headers: {} }));
}

test("who asks for nothing of the operator's needs no cluster", async () => {
  assert.equal(needsOperator(plain), false);
  assert.equal(needsOperator(asked), true);
  const away = await seeOperator(answering({ kind: "away", problem: "ECONNREFUSED" }));
  assert.equal(assertServed(plain, away), undefined);
});

test("kinds that a cluster knows are applied; those that it does not are refused with the next step", async () => {
  assert.equal(assertServed(asked, await saysOf("PodMonitor", "PrometheusRule")), undefined);
  const half = await saysOf("PodMonitor");
  assert.throws(
    () => assertServed(asked, half),
    /^Error: https:\/\/api does not know PrometheusRule: install the Prometheus operator there first .*\(--set prometheus\.rules=false\)/,
  );
  const none = await seeOperator(answering({ kind: "refused", status: 404, problem: "no" }));
  assert.throws(() => assertServed(asked, none), /does not know PodMonitor and PrometheusRule/);
});

test("a cluster that can't be asked is warned of: the manifests may be for another one", async () => {
  const away = await seeOperator(answering({ kind: "away", problem: "ECONNREFUSED" }));
  assert.match(assertServed(asked, away) ?? "", /^warning: .*PodMonitor.*ECONNREFUSED/);
});
