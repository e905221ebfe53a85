import assert from "node:assert/strict";
import { test } from "node:test";
import { apiOf } from "../../test/support/api-answers.ts";
import { clusterVersions, versionLines } from "./version.ts";

const PODS = "/api/v1/namespaces/mesh/pods";
const SERVER = { "/version": { body: { gitVersion: "v1.34.0" } } };

function pod(image: string): object {
  return {
    metadata: { name: "p" },
    spec: { containers: [{ name: "c", image }] },
    status: { phase: "Running" },
  };
}

test("what runs is counted by version", async () => {
  const images = ["mesh/agent:0.2.0", "registry:5000/agent:0.1.0", "mesh/agent:0.2.0"];
  const body = { items: images.map(pod) };
  const cluster = await clusterVersions(apiOf({ ...SERVER, [PODS]: { body } }), "mesh");
  const both = "0.1.0 (1 pod), 0.2.0 (2 pods)";
  assert.deepEqual(versionLines({ client: "0.2.0", cluster }, "mesh"), [
    "this command: 0.2.0",
    `control:      ${both}`,
    `agents:       ${both}`,
    "Kubernetes:   v1.34.0",
  ]);
});

test("nothing installed, and pods that may not be listed, are told apart", async () => {
  const lines = async (answer: Parameters<typeof apiOf>[0][string]): Promise<string> => {
    const cluster = await clusterVersions(apiOf({ ...SERVER, [PODS]: answer }), "mesh");
    return versionLines({ client: "1", cluster }, "mesh")[1] ?? "";
  };
  assert.equal(await lines({ body: { items: [] } }), "control:      none in namespace mesh");
  assert.match(
    await lines({ kind: "refused", status: 403, problem: "no" }),
    /not known: you may not list pods in namespace mesh/,
  );
});

test("a server that does not answer is an error, with its address", async () => {
  const away = { kind: "away", problem: "timeout" } as const;
  const api = apiOf({ "/version": away, [PODS]: { body: { items: [] } } });
  await assert.rejects(clusterVersions(api, "mesh"), /API server https:\/\/api does not answer/);
});
