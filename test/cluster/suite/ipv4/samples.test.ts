/**
 * The samples as a user takes them: applied, annotated, called, scaled, rolled over under load. The user's own
 * documented ServiceMesh, unchanged.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import type { V2HorizontalPodAutoscaler } from "@kubernetes/client-node";
import { ROOT } from "../../../support/source-files.ts";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import { Load } from "../../harness/load.ts";
import { caught, installMesh, meshMetric, nodemesh } from "../../harness/mesh.ts";

const cluster = new TestCluster();
const sample = (name: string): string => readFileSync(join(ROOT, "deploy/samples", name), "utf8");

/** The sample's third document: the YAML that the product's documentation shows, which names no namespace of its own. */
const SERVICE_MESH =
  sample("webapp.yaml")
    .split(/^---$/m)
    .find((document) => document.includes("kind: ServiceMesh")) ?? "";

before(async () => {
  await installMesh(cluster);
  await cluster.apply(sample("shop.yaml"));
  await cluster.rolledOut("deployment/user", "default");
  await cluster.rolledOut("deployment/order", "default");
});
after(async () => {
  await cluster.kubectl("-n", "default", "delete", "servicemesh", "mesh", "--ignore-not-found");
  const kubectl = cluster.spec.programs["kubectl"] ?? "";
  const remove = (file: string): Promise<string> =>
    cluster.run(kubectl, ["delete", "--ignore-not-found", "-f", "-"], sample(file));
  await Promise.all(["shop.yaml", "webapp.yaml"].map(remove));
});

async function pods(app: string): Promise<readonly string[]> {
  const found = await cluster.pods("default", { labelSelector: `app=${app}` });
  return found
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(({ metadata }) => metadata?.name ?? "");
}

/** Asks a Service from a pod and returns the pod that answered. */
async function ask(from: string, url: string): Promise<string> {
  const answer = await cluster.exec(from, "default", "curl", "-sf", "-m", "5", url);
  const { pod } = JSON.parse(answer) as { pod: string };
  return pod;
}

test("annotated pods call through the mesh, spread over all replicas", async () => {
  // Without the mesh yet: kube-proxy may take a second for new endpoints, and refuses until then.
  await eventually("order answers", () => ask("deploy/user", "http://order/"));
  const outside = await caught(cluster);
  await cluster.kubectl("annotate", "pod", "-l", "app=user", "mesh/enabled=true", "--overwrite");
  await eventually("a call goes through the mesh", async () => {
    await ask("deploy/user", "http://order/");
    return (await caught(cluster)) > outside;
  });
  const answered = new Set<string>();
  // Which of them a request gets is partly chance: that one of three gets none of 40 happens once in a million runs.
  for (let i = 0; i < 40 && answered.size < 3; i++)
    answered.add(await ask("deploy/user", "http://order/"));
  assert.deepEqual([...answered].sort(), [...(await pods("order"))].sort());
});

test("scaled up, new replicas answer; scaled down, none that is gone is asked", async () => {
  await cluster.kubectl("scale", "deploy/order", "--replicas=5");
  await cluster.rolledOut("deployment/order", "default");
  await eventually("five replicas answer", async () => {
    const answers = Array.from({ length: 15 }, () => ask("deploy/user", "http://order/"));
    return new Set(await Promise.all(answers)).size === 5;
  });
  await cluster.kubectl("scale", "deploy/order", "--replicas=2");
  await eventually("two are left", async () => (await pods("order")).length === 2);
  const left = await pods("order");
  await eventually("only they answer", async () =>
    left.includes(await ask("deploy/user", "http://order/")),
  );
  for (let i = 0; i < 10; i++) assert.ok(left.includes(await ask("deploy/user", "http://order/")));
  await cluster.kubectl("scale", "deploy/order", "--replicas=3");
  await cluster.rolledOut("deployment/order", "default");
});

for (const [kind, enabled] of [
  ["mesh", "true"],
  ["plain", "false"],
] as const)
  test(`order is rolled over under load, ${kind === "mesh" ? "through the mesh: no request fails" : "without the mesh, to compare"}`, async (t) => {
    await using load = await Load.start(cluster, {
      namespace: "default",
      name: `load-${kind}`,
      url: "http://order/",
      rate: 100,
      connections: "fresh",
      annotations: { "mesh/enabled": enabled },
    });
    const old = (await pods("order")).map((name) => `pod/${name}`);
    const from = Date.now();
    await cluster.kubectl("rollout", "restart", "deploy/order");
    await cluster.rolledOut("deployment/order", "default");
    // The last of them still answers then what it was asked.
    await cluster.kubectl("wait", "--for=delete", "--timeout=60s", ...old);
    const sum = await load.settledSince(from);
    t.diagnostic(`${kind}: ${sum.ok} ok, ${sum.failed} failed ${JSON.stringify(sum.errors)}`);
    assert.ok(sum.ok > sum.seconds * 50, `only ${sum.ok} requests in ${sum.seconds} s`);
    if (kind === "mesh") assert.deepEqual(sum.errors, {});
  });

test("the autoscaler's sample is accepted, and its status says what is missing to act on it", async () => {
  await cluster.apply(sample("hpa.yaml"));
  await eventually(
    "its condition",
    async () => {
      const args = ["horizontalpodautoscaler", "order", "-n", "default"];
      const { status } = await cluster.get<V2HorizontalPodAutoscaler>(...args);
      const active = status?.conditions?.find(({ type }) => type === "ScalingActive");
      return active?.status === "False" && active.reason === "FailedGetObjectMetric";
    },
    60_000,
  );
  await cluster.kubectl("-n", "default", "delete", "horizontalpodautoscaler", "order");
});

/** The parts of a ServiceMesh that are read here. */
interface Mesh {
  readonly metadata: { readonly generation: number };
  readonly status?: {
    readonly observedGeneration: number;
    readonly conditions: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly observedGeneration: number;
    }[];
  };
}

/** Waits until the status speaks of the spec of now, and says this of the conditions. */
function meshSays(generation: number, accepted: string, ready: string): Promise<boolean> {
  return eventually(`the ServiceMesh's status: ${accepted}, ${ready}`, async () => {
    const { metadata, status } = await cluster.get<Mesh>("servicemesh", "mesh", "-n", "default");
    const words = status?.conditions.map(
      (one) => `${one.type} ${one.status} ${one.reason} ${one.observedGeneration}`,
    );
    return (
      metadata.generation === generation &&
      status?.observedGeneration === generation &&
      words?.join() === `Accepted ${accepted} ${generation},Ready ${ready} ${generation}`
    );
  });
}

test("a ServiceMesh whose Service is missing says so, and is Ready once the Service is there, also after a change of its spec", async () => {
  await cluster.apply(SERVICE_MESH);
  await meshSays(1, "False ServiceNotFound", "False ServiceNotFound");
  const described = await cluster.kubectl("-n", "default", "describe", "servicemesh", "mesh");
  assert.match(described, /there is no Service default\/webapp-service/);
  const row = await cluster.kubectl("-n", "default", "get", "servicemesh", "mesh", "--no-headers");
  assert.match(row, /^mesh +0 +False +ServiceNotFound +\d/);
  await cluster.apply(sample("webapp.yaml"));
  await cluster.rolledOut("deployment/webapp-deployment", "default");
  await meshSays(1, "True Accepted", "True AllEnrolled");
  const path = "/spec/intercept/http/0/service/name";
  const patch = JSON.stringify([{ op: "replace", path, value: "no-such" }]);
  const args = ["patch", "servicemesh", "mesh", "--type=json", "-p", patch];
  await cluster.kubectl("-n", "default", ...args);
  await meshSays(2, "False ServiceNotFound", "False ServiceNotFound");
  await cluster.apply(SERVICE_MESH);
  await meshSays(3, "True Accepted", "True AllEnrolled");
});

/** HTTP requests between two Deployments that the agents of the clients' or of the servers' nodes have counted. */
function counted(reporter: "source" | "destination", from: string, to: string): Promise<number> {
  const labels = `reporter="${reporter}",src_workload="${from}",dst_workload="${to}"`;
  return meshMetric(cluster, `nodemesh_http_requests_total{${labels}}`);
}

test("the documented ServiceMesh enrols webapp-service's pods, records their HTTP, and says so", async () => {
  await cluster.apply(sample("webapp.yaml"));
  await cluster.rolledOut("deployment/webapp-deployment", "default");
  const args = ["servicemesh", "mesh", "--for=condition=Ready", "--timeout=60s"];
  await cluster.kubectl("-n", "default", "wait", ...args);
  const before = await caught(cluster);
  const described = await cluster.kubectl("-n", "default", "describe", "servicemesh", "mesh");
  assert.match(described, /Type: +Accepted/);
  assert.match(described, /AllEnrolled/);
  const status = await nodemesh(cluster, "status", "-o", "json");
  assert.match(status, /webapp-deployment-/);
  await eventually("an Event on its pods says that they are enrolled", async () => {
    const args = ["get", "events", "--field-selector=reason=Enrolled", "-o", "name"];
    return /webapp-deployment-/.test(await cluster.kubectl("-n", "default", ...args));
  });
  const nodes = ["node1", "node2"];
  const pages = nodes.map((node) => nodemesh(cluster, "agent", "pods", "--node", node));
  assert.match((await Promise.all(pages)).join("\n"), /"name": "webapp-deployment-/);
  // order's pods are not in the mesh: only for webapp's can these be counted.
  const both = (): Promise<readonly number[]> =>
    Promise.all([
      counted("source", "webapp-deployment", "order"),
      counted("destination", "order", "webapp-deployment"),
    ]);
  const [sent = 0, received = 0] = await both();
  await ask("deploy/webapp-deployment", "http://order/");
  await ask("deploy/order", "http://webapp-service/");
  assert.ok((await caught(cluster)) > before);
  await eventually("both requests are recorded", async () =>
    isDeepStrictEqual(await both(), [sent + 1, received + 1]),
  );
  await cluster.kubectl("-n", "default", "delete", "servicemesh", "mesh");
  await eventually("its pods have left the mesh", async () => {
    const base = await caught(cluster);
    await ask("deploy/webapp-deployment", "http://order/");
    return (await caught(cluster)) === base;
  });
});
