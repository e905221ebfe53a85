/**
 * Rollouts as clients see them that are not balanced by the mesh: an enrolled one that keeps its connections to pods' own
 * addresses, and one outside the mesh by ClusterIP. Beside each the same without a mesh, in a rollout at the same time.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type KubeObject, TestCluster } from "../../harness/cluster.ts";
import { Load } from "../../harness/load.ts";
import type { LoadSum } from "../../harness/load-sum.ts";
import { installMesh, meshMetric } from "../../harness/mesh.ts";
import { echoServer, service } from "../../harness/pods.ts";

const NAMESPACE = "rollouts";
const RATE = 30;
/** From SIGTERM to the end: longer than names (CoreDNS: 5 s) and kube-proxy's rules go on leading there. */
const LINGER_S = 8;

/** Once it is asked to end, each answer tells its client to leave, as servers do that end in order. */
const SERVER = `
let leaving = false;
const server = require("node:http").createServer((request, response) => {
  if (leaving) response.setHeader("connection", "close");
  response.end("ok");
});
server.keepAliveTimeout = 600000;
server.listen(8080, "::");
process.on("SIGTERM", () => {
  leaving = true;
  setTimeout(() => process.exit(0), ${LINGER_S * 1000});
});
`;

const cluster = new TestCluster();

/** A Deployment, its Service, and a headless one for its pods' own addresses. */
function server(name: string, enabled: boolean): readonly KubeObject[] {
  const wish = {
    ...{ namespace: NAMESPACE, name },
    annotations: { "mesh/enabled": String(enabled) },
    container: { command: ["/nodemesh/node", "-e", SERVER] },
    spec: { terminationGracePeriodSeconds: LINGER_S + 10 },
  };
  const strategy = { strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } };
  return [
    ...echoServer(wish, 2, strategy),
    service(NAMESPACE, `${name}-pods`, { selector: { app: name }, clusterIP: "None" }),
  ];
}

before(async () => {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE);
  await cluster.apply([...server("meshed", true), ...server("plain", false)]);
  await Promise.all(
    ["meshed", "plain"].map((name) => cluster.rolledOut(`deployment/${name}`, NAMESPACE)),
  );
});
after(() => cluster.deleteNamespace(NAMESPACE));

/** Each load by its name: whom it asks, and whether it is enrolled. */
const LOADS = {
  "kept-meshed": { url: "http://meshed-pods:8080/", connections: "kept", enabled: true },
  "kept-plain": { url: "http://plain-pods:8080/", connections: "kept", enabled: false },
  "outside-meshed": { url: "http://meshed/", connections: "fresh", enabled: false },
  "outside-plain": { url: "http://plain/", connections: "fresh", enabled: false },
} as const;

function loads(stack: AsyncDisposableStack): Promise<readonly (readonly [string, Load])[]> {
  return Promise.all(
    Object.entries(LOADS).map(async ([name, { url, connections, enabled }]) => {
      const annotations = { "mesh/enabled": String(enabled) };
      const wish = { namespace: NAMESPACE, name, url, connections, rate: RATE, annotations };
      return [name, stack.use(await Load.start(cluster, wish))] as const;
    }),
  );
}

async function rollOver(): Promise<void> {
  const old = await cluster.pods(NAMESPACE, { labelSelector: "app in (meshed,plain)" });
  const names = ["deploy/meshed", "deploy/plain"];
  await cluster.kubectl("-n", NAMESPACE, "rollout", "restart", ...names);
  await Promise.all(names.map((name) => cluster.rolledOut(name, NAMESPACE)));
  // The last of them still answers then what it was asked.
  const gone = old.map(({ metadata }) => `pod/${metadata?.name}`);
  await cluster.kubectl("-n", NAMESPACE, "wait", "--for=delete", "--timeout=60s", ...gone);
}

test("a rollout fails no request of kept connections to pods' addresses, nor of clients outside the mesh", async (t) => {
  await using stack = new AsyncDisposableStack();
  const all = await loads(stack);
  const counted = (): Promise<readonly number[]> =>
    Promise.all(
      [
        'reporter="source",src_workload="kept-meshed"',
        'reporter="destination",src_workload="outside-meshed",dst_workload="meshed"',
      ].map((labels) => meshMetric(cluster, `nodemesh_http_requests_total{${labels}}`)),
    );
  const before = await counted();
  const from = Date.now();
  await rollOver();
  const sums = new Map<string, LoadSum>();
  for (const [name, load] of all) {
    const sum = await load.settledSince(from);
    t.diagnostic(`${name}: ${sum.ok} ok, ${sum.failed} failed ${JSON.stringify(sum.errors)}`);
    sums.set(name, sum);
  }
  const carried = (await counted()).map((count, i) => count - (before[i] ?? 0));
  assert.ok(
    carried.every((count) => count > 100),
    `the agents carried ${carried.join(" and ")} requests`,
  );
  for (const name of ["kept-meshed", "outside-meshed"])
    assert.deepEqual(sums.get(name)?.errors, {}, name);
});
