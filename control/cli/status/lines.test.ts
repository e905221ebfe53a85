import assert from "node:assert/strict";
import { test } from "node:test";
import { statusLines } from "./lines.ts";
import type { AgentReport, StatusReport } from "./report.ts";

const AGENT: AgentReport = {
  node: "n1",
  pod: "a",
  ready: true,
  version: "0.1.0",
  snapshotVersion: 7,
  snapshotOf: "c1",
  snapshotAgeSeconds: 2.4,
  problem: "",
};

const REPORT: StatusReport = {
  control: [],
  agents: [],
  pods: [],
  unseen: [],
  summary: {
    pods: 0,
    enrolled: 0,
    proxied: 0,
    control: { ready: 0, all: 0 },
    agents: { ready: 0, all: 0 },
  },
};

function agentLines(change: Partial<AgentReport>): readonly string[] {
  const lines = statusLines({ ...REPORT, agents: [{ ...AGENT, ...change }] });
  return lines
    .filter((line) => /^(?:n1|node\/n1)/.test(line))
    .map((line) => line.replaceAll(/ {2,}/g, "|"));
}

test("a problem is shown below the table, whether or not the agent is ready", () => {
  const silent = {
    snapshotVersion: undefined,
    snapshotOf: undefined,
    snapshotAgeSeconds: undefined,
  };
  assert.deepEqual(agentLines({}), ["n1|a|yes|0.1.0|7|c1|2 s"]);
  assert.deepEqual(agentLines({ ...silent, problem: "GET /facts: 503" }), [
    "n1|a|yes|0.1.0|-|-|-",
    "node/n1: ready, but: GET /facts: 503",
  ]);
  assert.deepEqual(agentLines({ ready: false, problem: "no agent" }), [
    "n1|a|no|0.1.0|7|c1|2 s",
    "node/n1: no agent",
  ]);
});

test("control's problem is no column either", () => {
  const control = {
    pod: "c1",
    ready: false,
    leader: undefined,
    snapshotVersion: undefined,
    problem: "ImagePullBackOff: Back-off pulling image",
  };
  const lines = statusLines({ ...REPORT, control: [control] });
  assert.equal(lines[1]?.replaceAll(/ {2,}/g, "|"), "c1|no|-|-");
  assert.ok(lines.includes("pod/c1: ImagePullBackOff: Back-off pulling image"));
});

test("the last line counts, and before it is what could not be seen", () => {
  const summary = {
    pods: 4,
    enrolled: 3,
    proxied: 1,
    control: { ready: 1, all: 2 },
    agents: { ready: 3, all: 3 },
  };
  const unseen = [{ what: "nodes", effect: "some are not listed" }];
  assert.deepEqual(statusLines({ ...REPORT, unseen, summary }).slice(-3), [
    "not seen, for you may not: nodes; some are not listed",
    "",
    "4 pods, 3 enrolled, 2 of these not through the proxy, control 1 of 2 ready, agents 3 of 3 ready",
  ]);
  assert.equal(statusLines(REPORT).at(-1), "0 pods, 0 enrolled");
});

test("foreign words are shown, not obeyed, in every part; a part that is not there is not shown", () => {
  const odd = "a\u009b\u202e\u2028b";
  const pod = {
    ...{ namespace: "a", name: odd, uid: "u", node: odd, phase: odd, ready: true },
    ...{ addresses: [odd], enrolled: false, path: "direct" as const, why: odd },
  };
  const unseen = [{ what: odd, effect: odd }];
  const agent = { ...AGENT, ready: false, version: odd, problem: odd };
  const { control } = REPORT;
  for (const line of statusLines({ control, agents: [agent], pods: [pod], unseen })) {
    assert.doesNotMatch(line, /[\u009b\u202e\u2028]/);
    if (line.includes("a\\u")) assert.match(line, /a\\u009b\\u202e\\u2028b/);
  }
});
