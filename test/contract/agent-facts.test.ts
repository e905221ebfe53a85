/** The agent's page /facts, as `nodemesh check` and `status` read it. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { readFacts } from "../../agent/facts.ts";
import { SnapshotStore } from "../../agent/state/store.ts";
import { agentFindings } from "../../control/cli/check/agent-findings.ts";
import { askAgent } from "../../control/cli/mesh-facts.ts";
import { apiOf } from "../support/api-answers.ts";
import { NODE, POD } from "../support/cli-facts.ts";

test("what an agent tells of this machine is read, and all of its BPF features pass", async () => {
  const config = { cgroup: "auto", proc: "/proc", pinDirectory: "/nowhere/nodemesh" };
  const redirect = { status: () => [] };
  const before = new Date();
  const facts = readFacts({ config, store: new SnapshotStore(Date.now), redirect });
  const path = `/api/v1/namespaces/mesh/pods/${POD.name}:${POD.metricsPort}/proxy/facts`;
  const answers = { [path]: { body: JSON.parse(JSON.stringify(facts)) } };
  const page = await askAgent(apiOf(answers), "mesh", POD);
  assert.equal(page.kind, "page", JSON.stringify(page));
  const findings = agentFindings("mesh", NODE, { pod: POD, page, asked: [before, new Date()] });
  assert.deepEqual(
    findings.map(({ verdict, detail }) => `${verdict} ${detail}`),
    ["fail no BPF file system is mounted at /sys/fs/bpf"],
  );
});
