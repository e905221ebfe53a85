/** Upgrades as the documentation has them: nothing chosen is forgotten, what changes is said before. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { V1DaemonSet } from "@kubernetes/client-node";
import { installObjects } from "../../../../deploy/manifests/objects.ts";
import { parseOptions } from "../../../../deploy/manifests/options.ts";
import { ROOT } from "../../../support/source-files.ts";
import { TestCluster } from "../../harness/cluster.ts";
import { installMesh, MESH_NAMESPACE, meshReady, nodemesh } from "../../harness/mesh.ts";

const cluster = new TestCluster();
const OBJECTS = installObjects(parseOptions({})).length;

before(() => installMesh(cluster, "--set", "agent.drainSeconds=7"));
after(() => installMesh(cluster));

/** What upgrade says to people. */
async function said(...flags: readonly string[]): Promise<readonly string[]> {
  const script = 'exec "$0" upgrade "$@" 2>&1 >/dev/null';
  const text = await cluster.run("/bin/sh", ["-c", script, join(ROOT, "bin/nodemesh"), ...flags]);
  return text.trim().split("\n");
}

test("an upgrade to the same changes nothing, and keeps what was chosen", async () => {
  assert.deepEqual(await said(), [
    "kept: --set agent.drainSeconds=7",
    `0 new, 0 changed, ${OBJECTS} unchanged, 0 removed`,
  ]);
});

test("an upgrade says which fields change, and what is applied then is that", async () => {
  const flags = ["--set", "agent.accessLog=0.5"];
  const lines = await said(...flags);
  assert.match(
    lines.join("\n"),
    /^daemonset\/nodemesh-agent: .*containers\[agent\]\.args: .*--access-log=0\.5/m,
  );
  // The DaemonSet, and the namespace's note of what was chosen.
  assert.equal(lines.at(-1), `0 new, 2 changed, ${OBJECTS - 2} unchanged, 0 removed`);
  await cluster.apply(await nodemesh(cluster, "upgrade", ...flags));
  await meshReady(cluster);
  const args = ["daemonset", "nodemesh-agent", "-n", MESH_NAMESPACE];
  const { spec } = await cluster.get<V1DaemonSet>(...args);
  assert.ok(spec?.template.spec?.containers[0]?.args?.includes("--access-log=0.5"));
  assert.equal(spec?.template.spec?.terminationGracePeriodSeconds, 22);
  assert.match((await said()).at(-1) ?? "", /^0 new, 0 changed/);
});

test("an object of another version is named with the command that deletes it", async () => {
  const labels = { "app.kubernetes.io/part-of": "nodemesh" };
  const metadata = { name: "nodemesh-old", namespace: MESH_NAMESPACE, labels };
  await cluster.apply([{ apiVersion: "v1", kind: "ServiceAccount", metadata }]);
  const lines = await said();
  const command = `kubectl -n ${MESH_NAMESPACE} delete serviceaccount nodemesh-old`;
  assert.ok(
    lines.some((line) => line.endsWith(command)),
    lines.join("\n"),
  );
  await cluster.kubectl(...command.split(" ").slice(1));
  assert.match((await said()).at(-1) ?? "", / 0 removed$/);
});
