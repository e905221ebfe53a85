/** Nodes that lose their power or the network, under load, and a whole cluster that starts in the worst order. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Node } from "@kubernetes/client-node";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import {
  assertGoesOn,
  assertUnharmed,
  freshKubelet,
  provesItself,
  type Scene,
  setScene,
  tell,
} from "../../harness/faults.ts";
import { agentMetric, installMesh, meshReady } from "../../harness/mesh.ts";
import { pod } from "../../harness/pods.ts";

const NAMESPACE = "node-failures";
const NODES = ["node1", "node2"];
const PARTITION_SECONDS = 30;
const POWERLESS_MS = 30_000;
/** How long nothing may fail once all is as before. */
const CALM_MS = 6_000;
/** How long the endpoints of a node that is gone may be tried, before they are left alone. */
const EJECTED_MS = 10_000;
/** Failures that a cut-off node's pods may see for each success then: now and then one asks for the lost endpoints. */
const CUT_OFF_SHARE = 0.05;
/** Two nodes boot meanwhile, on the same two cores. */
const API_DEADLINE_MS = 90_000;

const cluster = new TestCluster();
let scene: Scene;

before(async () => {
  await installMesh(cluster);
  scene = await setScene(cluster, NAMESPACE);
});
after(() => scene[Symbol.asyncDispose]());

function proof(node: string): Promise<number> {
  const object = (name: string): ReturnType<typeof pod> =>
    pod({ namespace: NAMESPACE, name, node });
  return provesItself(cluster, NAMESPACE, object);
}

/** The servers of a node, all enrolled. Loads don't come back after a power cut. */
async function serversOn(node: string): Promise<number> {
  const selectors = { labelSelector: "app=server", fieldSelector: `spec.nodeName=${node}` };
  return (await cluster.pods(NAMESPACE, selectors)).length;
}

/** Waits until a node's agent has caught the node's servers again, and nobody who is gone. */
async function enrolledOn(node: string, servers: number): Promise<void> {
  await eventually(
    `${node} has its ${servers} servers enrolled`,
    async () => (await agentMetric(cluster, node, "nodemesh_enrolled_pods")) === servers,
    90_000,
  );
}

/** Since when a node has been Ready without a break. */
async function readySince(node: string): Promise<string> {
  const { status } = await cluster.get<V1Node>("node", node);
  const ready = status?.conditions?.find(({ type }) => type === "Ready");
  assert.equal(ready?.status, "True", node);
  return String(ready.lastTransitionTime);
}

test("a node cut off for 30 s: the other's pods stop asking it within 10 s, its own go on among themselves, then all is as before", async (t) => {
  const ready = await readySince("node1");
  const from = Date.now();
  await cluster.partition("node2", PARTITION_SECONDS);
  const joined = Date.now();
  assert.equal(await readySince("node1"), ready, "the other node is not touched");
  await freshKubelet(cluster, "node2");
  const proved = await proof("node2");
  const sums = await scene.since(from);
  const fresh = await scene.of("fresh", from + EJECTED_MS, joined);
  const kept = await scene.of("kept", from + EJECTED_MS, joined);
  tell(t, sums, `a new pod on it was enrolled ${proved.toFixed(0)} ms after its kubelet's restart`);
  tell(t, { fresh, kept }, "these after the first 10 s");
  assertUnharmed({ "the other node's pods, once they know": fresh });
  assertGoesOn("the node's own pods, once they know", kept);
  assert.ok(kept.failed <= kept.ok * CUT_OFF_SHARE, JSON.stringify(kept.errors));
  assert.ok(sums.fresh.silence <= 6 && sums.kept.silence <= 6, JSON.stringify(sums));
  const again = Date.now();
  await sleep(CALM_MS);
  assertUnharmed(await scene.since(again));
});

test("a node's power cut for 30 s: the other's pods stop asking it within 10 s; booted, its pods are enrolled again", async (t) => {
  const servers = await serversOn("node2");
  assert.ok(servers > 0);
  const since = await readySince("node1");
  const from = Date.now();
  await cluster.killNode("node2");
  await sleep(POWERLESS_MS);
  assert.equal(await readySince("node1"), since, "the other node is not touched");
  const sum = await scene.of("fresh", from);
  const fresh = await scene.of("fresh", from + EJECTED_MS);
  await cluster.startNode("node2");
  const ready = Date.now();
  await meshReady(cluster);
  await enrolledOn("node2", servers);
  const enrolledAfter = Date.now() - ready;
  const proved = await proof("node2");
  tell(
    t,
    { fresh: sum },
    `after the first 10 s ${fresh.failed} failed; pods enrolled ${enrolledAfter} ms after the node was Ready; a new pod enrolled ${proved.toFixed(0)} ms later`,
  );
  assertUnharmed({ "the other node's pods, once they know": fresh });
  assert.ok(sum.silence <= 6, JSON.stringify(sum));
});

test("everything off, and on again in the worst order: nodes first, etcd last; the mesh comes back by itself", async (t) => {
  const servers = await Promise.all(NODES.map(serversOn));
  const control = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
  for (const node of NODES) await cluster.killNode(node);
  for (const program of control) await cluster.kill(program);
  const booted = Promise.all(NODES.map((node) => cluster.startNode(node)));
  booted.catch(() => undefined); // waited for below; what fails before that is told instead
  await sleep(5_000);
  cluster.start("kube-apiserver");
  await sleep(2_000);
  cluster.start("etcd");
  const on = Date.now();
  await eventually(
    "the API answers",
    async () => (await cluster.ask("/readyz")) === "ok",
    API_DEADLINE_MS,
  );
  // They end when they find no API server; elsewhere a supervisor starts them until they do.
  for (const program of ["kube-controller-manager", "kube-scheduler"]) cluster.start(program);
  await booted;
  await meshReady(cluster);
  for (const [i, node] of NODES.entries()) await enrolledOn(node, servers[i] ?? 0);
  const enrolledAfter = Date.now() - on;
  for (const node of NODES) await proof(node);
  t.diagnostic(`pods of both nodes enrolled ${enrolledAfter} ms after etcd's start`);
});
