/**
 * When a pod's connections are redirected: from the annotation on, back again when it goes, before a pod that was
 * created enrolled does anything, in a new sandbox of the same pod, in a static pod. Told by the pods themselves.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Pod } from "@kubernetes/client-node";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import { agentMetric, installMesh } from "../../harness/mesh.ts";
import { pod } from "../../harness/pods.ts";
import {
  type Sight,
  sights,
  troubles,
  WATCHER_PROBE,
  watched,
  watcher,
} from "../../harness/watcher.ts";
import { STATIC_PODS } from "../../node/files.ts";

const NAMESPACE = "redirection";
/**
 * The budget from the API event to the redirection of new connections. What is measured holds more: the PATCH, and DNS,
 * connection and answer of the request that shows it.
 */
const BUDGET_MS = 200;
const FLIPS = 5;

const cluster = new TestCluster();

before(async () => {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE);
  await cluster.apply(watched(NAMESPACE));
  await ready("watched-http");
  await ready("watched-bytes");
});
after(() => cluster.deleteNamespace(NAMESPACE));

function ready(name: string): Promise<string> {
  const args = ["--for=condition=Ready", "--timeout=60s", `pod/${name}`];
  return cluster.kubectl("-n", NAMESPACE, "wait", ...args);
}

function seen(name: string): Promise<readonly Sight[]> {
  return sights(cluster, NAMESPACE, name);
}

/** The last way that a watcher has told, once it is that one. */
function turned(
  look: () => Promise<readonly Sight[]>,
  way: "mesh" | "direct",
  from: number,
): Promise<Sight> {
  return eventually(`new connections go ${way}`, async () => {
    const last = (await look()).findLast((sight) => "way" in sight);
    return last !== undefined && last.at >= from && last.way === way && last;
  });
}

function wayOf(name: string, way: "mesh" | "direct", from = 0): Promise<Sight> {
  return turned(() => seen(name), way, from);
}

/**
 * Fails when a pod that started after a moment was not redirected before its readiness probe could succeed. Until then
 * the start-up gate is a race (docs/kubernetes.md): returns how many of its connections went directly.
 */
async function redirectedBeforeReady(name: string, from: number = 0): Promise<number> {
  const born = await eventually(`${name} is probed and goes through the mesh`, async () => {
    const all = (await seen(name)).filter(({ at }) => at > from);
    const last = all.findLast((sight) => "way" in sight);
    return all.some((sight) => "probed" in sight) && last?.way === "mesh" && all;
  });
  const ways = born.filter((sight) => "way" in sight);
  const direct = ways.reduce((sum, { way, before }) => sum + (way === "mesh" ? before : 0), 0);
  const meshed = ways.at(-1)?.at ?? Number.NaN;
  const probed = born.find((sight) => "probed" in sight)?.at ?? Number.NaN;
  assert.ok(
    direct === 0 || meshed <= probed,
    `${name}: ${direct} connections went directly, until ${meshed - probed} ms after its first probe`,
  );
  return direct;
}

test("an annotation redirects new connections within 200 ms, its removal ends that; nothing is reset", async (t) => {
  const name = "flipped";
  await cluster.apply([watcher({ namespace: NAMESPACE, name })]);
  await wayOf(name, "direct");
  using api = cluster.api();
  const took: Record<"mesh" | "direct", number[]> = { mesh: [], direct: [] };
  for (let i = 0; i < FLIPS; i++)
    for (const way of ["mesh", "direct"] as const) {
      await sleep(1_200); // held connections of this time are opened
      const annotations = { "mesh/enabled": way === "mesh" ? "true" : null };
      const from = Date.now();
      const path = `/api/v1/namespaces/${NAMESPACE}/pods/${name}`;
      const type = "application/merge-patch+json";
      const answer = await api.send("PATCH", path, { metadata: { annotations } }, type);
      assert.equal(answer.status, 200, answer.body);
      took[way].push((await wayOf(name, way, from)).at - from);
    }
  await sleep(1_000);
  t.diagnostic(`ms to the mesh ${took.mesh.join(" ")}, ms to direct ${took.direct.join(" ")}`);
  const all = await seen(name);
  assert.deepEqual(troubles(all), []);
  assert.ok(all.filter((sight) => "opened" in sight).length > 2 * FLIPS);
  for (const ms of [...took.mesh, ...took.direct]) assert.ok(ms <= BUDGET_MS, `${ms} ms`);
});

test("a namespace's label enrols the pods that run there, its removal lets them go; nothing is reset", async () => {
  await using space = await cluster.namespace("labelled");
  const { name: namespace } = space;
  // Whom it asks stays out of the mesh: only its own way changes.
  const container = { args: ["--", NAMESPACE] };
  await cluster.apply([watcher({ namespace, name: "client", container })]);
  const way = (wanted: "mesh" | "direct", from: number): Promise<Sight> =>
    turned(() => sights(cluster, namespace, "client"), wanted, from);
  await way("direct", 0);
  const from = Date.now();
  await cluster.kubectl("label", "namespace", namespace, "mesh/enabled=true");
  await way("mesh", from);
  const back = Date.now();
  await cluster.kubectl("label", "namespace", namespace, "mesh/enabled-");
  await way("direct", back);
  assert.deepEqual(troubles(await sights(cluster, namespace, "client")), []);
});

test("a pod that is created enrolled is redirected before its readiness probe can succeed", async (t) => {
  const names = ["born-1", "born-2", "born-3", "born-4"];
  const annotations = { "mesh/enabled": "true" };
  const container = { readinessProbe: WATCHER_PROBE };
  await cluster.apply(
    names.map((name) => watcher({ namespace: NAMESPACE, name, annotations, container })),
  );
  const direct = await Promise.all(names.map((name) => redirectedBeforeReady(name)));
  t.diagnostic(`connections that went directly before, of each of four pods: ${direct.join(" ")}`);
});

test("a pod whose sandbox is made anew is redirected again before it is ready", async (t) => {
  const name = "born-1";
  const { spec, status } = await cluster.get<V1Pod>("pod", name, "-n", NAMESPACE);
  const node = spec?.nodeName ?? "";
  const filter = `labels."io.kubernetes.pod.name"==${name},labels."io.cri-containerd.kind"==sandbox`;
  const ctr = ["ctr", "-n", "k8s.io"];
  const sandbox = (await cluster.inNode(node, ...ctr, "containers", "list", "-q", filter)).trim();
  assert.notEqual(sandbox, "");
  const from = Date.now();
  await cluster.inNode(node, ...ctr, "tasks", "kill", "-s", "SIGKILL", sandbox);
  const direct = await redirectedBeforeReady(name, from);
  t.diagnostic(`${direct} connections went directly before`);
  const now = await cluster.get<V1Pod>("pod", name, "-n", NAMESPACE);
  assert.notEqual(now.status?.podIP, status?.podIP);
});

test("a static pod is redirected, and let go with its manifest", async () => {
  const [node, name] = ["node1", "static"];
  const before = await agentMetric(cluster, node, "nodemesh_enrolled_pods");
  const annotations = { "mesh/enabled": "true" };
  const file = `${STATIC_PODS}/${name}.json`;
  const text = JSON.stringify(watcher({ namespace: NAMESPACE, name, annotations }));
  const write = `printf %s "$1" >${file}.new && mv ${file}.new ${file}`;
  await cluster.inNode(node, "/bin/sh", "-c", write, "sh", text);
  await wayOf(`${name}-${node}`, "mesh");
  assert.equal(await agentMetric(cluster, node, "nodemesh_enrolled_pods"), before + 1);
  await cluster.inNode(node, "rm", file);
  await eventually(
    "the agent has let it go",
    async () => (await agentMetric(cluster, node, "nodemesh_enrolled_pods")) === before,
  );
});

test("deleted pods leave nothing in the agent", async () => {
  const count = async (): Promise<number> =>
    (await agentMetric(cluster, "node1", "nodemesh_enrolled_pods")) +
    (await agentMetric(cluster, "node2", "nodemesh_enrolled_pods"));
  const before = await count();
  const annotations = { "mesh/enabled": "true" };
  await cluster.apply([pod({ namespace: NAMESPACE, name: "short-lived", annotations })]);
  await ready("short-lived");
  assert.equal(await count(), before + 1);
  await cluster.kubectl("-n", NAMESPACE, "delete", "pod", "short-lived");
  await eventually("it is forgotten", async () => (await count()) === before);
});
