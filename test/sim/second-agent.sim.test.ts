/** Two agents on one node by mistake: the second refuses and says why; the first is not disturbed. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { idlePod, MeshLab } from "../support/mesh-lab.ts";
import { OwnAgent } from "../support/own-agent.ts";

/** $0 cgroup, $1 network namespace, then the command. */
const IN_CGROUP =
  'echo 0 > "$0/cgroup.procs" || exit 125; n=$1; shift; exec nsenter --net="$n" -- "$@"';

let lab: MeshLab;

before(async () => {
  lab = await MeshLab.start("second-agent", idlePod("pod", "node-1", { "mesh/enabled": "true" }));
});

after(() => lab[Symbol.asyncDispose]());

test("a second agent ends with the reason; after kill -9 of the first another one starts", async () => {
  const { agents, nodes } = await lab.status();
  const pid = agents.find(({ node }) => node === "node-1")?.process.pid;
  const netns = nodes.find(({ name }) => name === "node-1")?.netns ?? "";
  const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(0, -1);
  const cgroup = join(words[words.indexOf("--cgroup") + 1] ?? "", "agent");
  const enrolled = /^nodemesh_enrolled_pods 1$/m;
  assert.match(await lab.metrics("node-1"), enrolled);

  const second = spawnSync("/bin/sh", ["-c", IN_CGROUP, cgroup, netns, ...words], {
    encoding: "utf8",
    timeout: 10_000,
  });
  assert.equal(second.status, 1);
  assert.match(second.stderr, /another agent serves this node/);
  assert.match(await lab.metrics("node-1"), enrolled);

  // Kills the first and resolves when the next has the pod.
  await OwnAgent.replace(lab, "node-1", []);
});
