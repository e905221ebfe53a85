/** The sample with a ServiceMesh, as a user takes it: one file, and the pods behind its Service are enrolled. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { MeshLab } from "../support/mesh-lab.ts";
import { ROOT } from "../support/source-files.ts";

/** The ServiceMesh that the product promises to take, to the letter. */
const SEED = `---
apiVersion: linkerd.io/v1alpha2
kind: ServiceMesh
metadata: { name: mesh }
spec:
  tracers: [http]
  intercept:
    http:
      - name: webapp-service
        service: { name: webapp-service, namespace: default }
`;

test("webapp.yaml holds the documented ServiceMesh, which enrols the pods of its Service", async () => {
  const sample = readFileSync(join(ROOT, "deploy/samples/webapp.yaml"), "utf8");
  assert.ok(sample.endsWith(SEED), "the last document is another");
  await using lab = await MeshLab.start("webapp", sample);
  await lab.sim("wait");
  const { pods } = await lab.status();
  assert.deepEqual(
    pods.map(({ name, enrolled }) => [name.startsWith("webapp-deployment-"), enrolled]),
    [
      [true, true],
      [true, true],
      [true, true],
    ],
  );
  const nodes = ["node-1", "node-2"];
  const caught = async (): Promise<number> =>
    Math.max(...(await Promise.all(nodes.map((node) => lab.kernel(node, "outbound-caught")))));
  const outside = await caught();
  const { stdout, stderr } = await lab.exec(
    "deploy/webapp-deployment",
    "curl",
    "-sf",
    "http://webapp-service/",
  );
  assert.match(stdout, /"service":"webapp"/, stderr);
  assert.ok((await caught()) > outside, "the call went past the mesh");
  await lab.sim("delete", "servicemesh", "mesh");
  await lab.sim("wait");
  assert.ok((await lab.status()).pods.every(({ enrolled }) => !enrolled));
});
