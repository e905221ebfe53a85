/** What the tests of failures share: enrolled pods under load on both nodes, and how much of it a failure cost. */

import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Service } from "@kubernetes/client-node";
import { eventually, type KubeObject, type TestCluster } from "./cluster.ts";
import { Load, type LoadSum } from "./load.ts";
import { caught } from "./mesh.ts";
import { echoServer } from "./pods.ts";

/** Requests a second of each load. */
const RATE = 30;
const SETTLE_MS = 2_000;

/** Two loads: `fresh` on node1 with a connection for each request, `kept` on node2. */
export interface Scene extends AsyncDisposable {
  readonly namespace: string;
  /** What a load saw since a moment, and until another. */
  readonly of: (load: "fresh" | "kept", from: number, to?: number) => Promise<LoadSum>;
  /** The same of both, once they have said enough to tell. */
  readonly since: (from: number) => Promise<Readonly<Record<"fresh" | "kept", LoadSum>>>;
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
  const fresh = await Load.start(cluster, {
    ...wish,
    name: "load-fresh",
    node: "node1",
    connections: "fresh",
  });
  const kept = await Load.start(cluster, {
    ...wish,
    name: "load-kept",
    node: "node2",
    connections: "kept",
  });
  return {
    namespace,
    of: (load, from, to) => (load === "fresh" ? fresh : kept).since(from, to),
    since: async (from) => {
      await sleep(SETTLE_MS);
      return { fresh: await fresh.since(from), kept: await kept.since(from) };
    },
    [Symbol.asyncDispose]: () => space[Symbol.asyncDispose](),
  };
}

/** Says for the failure table what was measured. */
export function tell(t: TestContext, sums: Readonly<Record<string, LoadSum>>, more = ""): void {
  const words = Object.entries(sums).map(
    ([name, { ok, failed, errors, slowestMs, silence, timeline }]) =>
      `${name}: ${ok} ok, ${failed} failed ${failed > 0 ? `${JSON.stringify(errors)} (${timeline})` : ""}, slowest ${slowestMs} ms, longest silence ${silence} s`,
  );
  t.diagnostic([...words, more].filter(Boolean).join("; "));
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
