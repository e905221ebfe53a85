import assert from "node:assert/strict";
import { test } from "node:test";
import { statusLines } from "./lines.ts";
import type { AgentReport } from "./report.ts";

const AGENT: AgentReport = {
  node: "n1",
  pod: "a",
  ready: true,
  version: "0.1.0",
  snapshotVersion: 7,
  snapshotAgeSeconds: 2.4,
  problem: "",
};

function agentLine(change: Partial<AgentReport>): string {
  const lines = statusLines({ control: [], agents: [{ ...AGENT, ...change }], pods: [] });
  return lines.find((line) => line.startsWith("n1")) ?? "";
}

test("a problem is shown whether or not the agent is ready", () => {
  const silent = { snapshotVersion: undefined, snapshotAgeSeconds: undefined };
  assert.equal(agentLine({}).replaceAll(/ {2,}/g, "|"), "n1|a|ready|0.1.0|7|2 s");
  assert.match(
    agentLine({ ...silent, problem: "GET /facts: 503" }),
    /ready, but: GET \/facts: 503/,
  );
  assert.match(agentLine({ ready: false, problem: "no agent" }), / {3}no agent/);
  assert.match(agentLine({ ready: false }), / {3}no {2}/);
});
