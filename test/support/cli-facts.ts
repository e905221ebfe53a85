/** Facts of a cluster where all is well, for tests of what the commands make of them. */

import assert from "node:assert/strict";
import type { Finding } from "../../control/cli/check/finding.ts";
import type { NodeFacts } from "../../control/cli/check/pre-facts.ts";
import type { MeshPod } from "../../control/cli/mesh-facts.ts";

/** This machine's clock. */
export const NOW: Date = new Date("2026-11-24T10:00:00.500Z");
/** The API server's clock at that time, in whole seconds. */
export const SERVER: Date = new Date("2026-11-24T10:00:00Z");

/** A node of the cluster. */
export const NODE: NodeFacts = {
  name: "n1",
  ready: true,
  turned: "2026-11-24T08:00:00Z",
  os: "linux",
  architecture: "amd64",
  kernel: "6.1.0-13-amd64",
  runtime: "containerd://1.6.20",
  podCIDRs: ["10.244.0.0/24"],
  renewed: new Date("2026-11-24T09:59:55Z"),
};

/** Its agent. */
export const POD: MeshPod = {
  name: "nodemesh-agent-a",
  node: "n1",
  created: "2026-11-24T09:00:00Z",
  ready: true,
  turned: "2026-11-24T09:00:10Z",
  phase: "Running",
  terminating: false,
  images: ["nodemesh/agent:0.1.0"],
  restarts: 0,
  metricsPort: 15_020,
  trouble: "",
};

/** The lines that are no pass, each `verdict subject: detail`; every one must have a next step. */
export function wrong(findings: readonly Finding[]): readonly string[] {
  const lines = findings.filter(({ verdict }) => verdict !== "pass");
  for (const { subject, nextStep } of lines) assert.ok(nextStep, `${subject} has no next step`);
  return lines.map(({ verdict, subject, detail }) => `${verdict} ${subject}: ${detail}`);
}
