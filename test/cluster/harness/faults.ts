/** What the tests of failures share: enrolled pods under load on both nodes, and how much of it a failure cost. */

import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import type { V1Service } from "@kubernetes/client-node";
import { eventually, type KubeObject, type TestCluster } from "./cluster.ts";
import { Load } from "./load.ts";
import type { LoadSum } from "./load-sum.ts";
import { agentMetric, caught } from "./mesh.ts";
import { echoServer } from "./pods.ts";

/** Requests a second of each load. */
const RATE = 30;
/** Requests a second that must succeed where nothing is wrong: half of RATE, as the machine is busy with the failure. */
const LEAST_RATE = RATE / 2;

const FRESH_NODE = "node1";
/** Kubelet's own, on its node only. */
const KUBELET_HEALTH = "http://127.0.0.1:10248/healthz";

/** Two loads: `fresh` on node1 with a connection for each request, `kept` on node2. */
export interface Scene extends AsyncDisposable {
  readonly namespace: string;
  /** What a load saw since a moment, and until another; see Load.since. */
  readonly of: (load: "fresh" | "kept", from: number, to?: number) => Promise<LoadSum>;
  /** The same of both until now, once each request is known to have failed or not. */
  readonly since: (from: number) => Promise<Readonly<Record<"fresh" | "kept", LoadSum>>>;
  /** Waits until node1's agent has enrolled just the scene's pods there, no proof any more; returns how many they are. */
  readonly enrolled: () => Promise<number>;
  /**
   * Takes one of so many enrolled pods of node1 out of the mesh and in again by its annotation: API server, control and
   * agent must work for that, and no kubelet. Each within a time, in milliseconds; returns how long the first took.
   */
  readonly changesReach: (enrolled: number, deadlineMs: number) => Promise<number>;
}

/** Sets the scene in a namespace of its own: four servers on both nodes, enrolled like those who ask them. */
export async function setScene(cluster: TestCluster, namespace: string): Promise<Scene> {
  const space = await cluster.namespace(namespace, { "mesh/enabled": "true" });
  const spread = {
    topologySpreadConstraints: [
      {
        maxSkew: 1,
        topologyKey: "kubernetes.io/hostname",
        whenUnsatisfiable: "DoNotSchedule",
        labelSelector: { matchLabels: { app: "server" } },
      },
    ],
  };
  await cluster.apply(echoServer({ namespace, name: "server", spec: spread }, 4));
  await cluster.rolledOut("deployment/server", namespace);
  // By its address: a node that is cut off has no DNS, which is not what is looked at.
  const { spec } = await cluster.get<V1Service>("service", "server", "-n", namespace);
  const wish = { namespace, url: `http://${spec?.clusterIP}/`, rate: RATE };
  const start = (connections: "fresh" | "kept", node: string): Promise<Load> =>
    Load.start(cluster, { ...wish, name: `load-${connections}`, node, connections });
  const [fresh, kept] = await Promise.all([start("fresh", FRESH_NODE), start("kept", "node2")]);
  return {
    namespace,
    of: (load, from, to) => (load === "fresh" ? fresh : kept).since(from, to),
    since: async (from) => {
      const sums = [fresh.settledSince(from), kept.settledSince(from)] as const;
      const [ofFresh, ofKept] = await Promise.all(sums);
      return { fresh: ofFresh, kept: ofKept };
    },
    enrolled: () => sceneEnrolled(cluster, namespace),
    changesReach: (enrolled, deadlineMs) => changesReach(cluster, namespace, enrolled, deadlineMs),
    [Symbol.asyncDispose]: () => space[Symbol.asyncDispose](),
  };
}

/** How many pods an agent has enrolled. */
export function enrolledOn(cluster: TestCluster, node: string): Promise<number> {
  return agentMetric(cluster, node, "nodemesh_enrolled_pods");
}

function sceneEnrolled(cluster: TestCluster, namespace: string): Promise<number> {
  return eventually("just the scene's pods are enrolled", async () => {
    const pods = await cluster.pods(namespace, { fieldSelector: `spec.nodeName=${FRESH_NODE}` });
    if (pods.some(({ metadata }) => metadata?.deletionTimestamp !== undefined)) return undefined;
    return (await enrolledOn(cluster, FRESH_NODE)) === pods.length && pods.length;
  });
}

async function changesReach(
  cluster: TestCluster,
  namespace: string,
  before: number,
  deadlineMs: number,
): Promise<number> {
  const annotate = (...words: readonly string[]): Promise<string> =>
    cluster.kubectl("-n", namespace, "annotate", "pod", "load-fresh", ...words);
  const becomes = (what: string, count: number): Promise<boolean> =>
    eventually(what, async () => (await enrolledOn(cluster, FRESH_NODE)) === count, deadlineMs);
  const from = Date.now();
  await annotate("mesh/enabled=false", "--overwrite");
  await becomes("it is let go", before - 1);
  const took = Date.now() - from;
  await annotate("mesh/enabled-");
  await becomes("it is enrolled again", before);
  return took;
}

/** Fails unless requests went on at their rate all the time, whether or not some failed. */
export function assertGoesOn(name: string, { ok, seconds, timeline }: LoadSum): void {
  assert.ok(
    ok >= seconds * LEAST_RATE,
    `${name}: only ${ok} in ${seconds.toFixed(1)} s (${timeline})`,
  );
}

/** Fails unless requests went on at their rate and none failed. */
export function assertUnharmed(sums: Readonly<Record<string, LoadSum>>): void {
  for (const [name, sum] of Object.entries(sums)) {
    assert.deepEqual(sum.errors, {}, name);
    assertGoesOn(name, sum);
  }
}

/** Says for the failure table what was measured. */
export function tell(t: TestContext, sums: Readonly<Record<string, LoadSum>>, more = ""): void {
  const words = Object.entries(sums).map(
    ([name, { ok, failed, errors, slowestMs, silence, timeline }]) =>
      `${name}: ${ok} ok, ${failed} failed ${failed > 0 ? `${JSON.stringify(errors)} (${timeline})` : ""}, slowest ${slowestMs} ms, longest silence ${silence} s`,
  );
  t.diagnostic([...words, more].filter(Boolean).join("; "));
}

/**
 * Starts a node's kubelet anew, which touches no container, and waits until it is well. One that has missed the API for some time asks for its pods
 * again as much later, up to a minute, after its return, one that has missed containerd some 12 s after its return, and until then
 * it starts no new one: that is not the mesh's time.
 */
export async function freshKubelet(cluster: TestCluster, node: string): Promise<void> {
  await cluster.kill("kubelet", node);
  await eventually(`kubelet of ${node} is well`, async () => {
    // It ends when its containerd is not ready yet. There is no systemd in a node, which would start it again.
    if (!cluster.runs("kubelet", node)) cluster.start("kubelet", node);
    return (await cluster.inNode(node, "curl", "-sf", "-m", "2", KUBELET_HEALTH)) === "ok";
  });
}

/** Creates an enrolled pod and waits until a call from it goes through the mesh: everything in between works. */
export async function provesItself(
  cluster: TestCluster,
  namespace: string,
  object: (name: string) => KubeObject,
  deadlineMs = 90_000,
): Promise<number> {
  const from = performance.now();
  const name = `proof-${Date.now()}`;
  await eventually(
    "the API takes a pod",
    async () => {
      await cluster.apply([object(name)]);
      return true;
    },
    deadlineMs,
  );
  await eventually(
    "a new enrolled pod's call goes through the mesh",
    async () => {
      const before = await caught(cluster);
      await cluster.exec(name, namespace, "curl", "-sf", "-m", "5", "http://server/");
      return (await caught(cluster)) > before;
    },
    deadlineMs,
  );
  const took = performance.now() - from;
  await cluster.kubectl("-n", namespace, "delete", "pod", name, "--wait=false");
  return took;
}
