/** The mesh in a cluster of another make: IPv4 and IPv6, kube-proxy with iptables, a chained CNI plugin. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { V1Pod } from "@kubernetes/client-node";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import { caught, installMesh, nodemesh, uninstallMesh } from "../../harness/mesh.ts";
import { echoServer, pod, service } from "../../harness/pods.ts";

const NAMESPACE = "both-families";
const cluster = new TestCluster();

before(async () => {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE);
  const dual = { ipFamilyPolicy: "RequireDualStack", ipFamilies: ["IPv4", "IPv6"] };
  await cluster.apply([
    ...echoServer({ namespace: NAMESPACE, name: "server" }, 2),
    service(NAMESPACE, "server", dual),
    pod({ namespace: NAMESPACE, name: "client", annotations: { "mesh/enabled": "true" } }),
    pod({ namespace: NAMESPACE, name: "outsider" }),
    // Enrolled servers too: both directions are the mesh's.
    ...echoServer(
      { namespace: NAMESPACE, name: "inside", annotations: { "mesh/enabled": "true" } },
      2,
    ),
    service(NAMESPACE, "inside", dual),
  ]);
  for (const name of ["server", "inside"]) await cluster.rolledOut(`deployment/${name}`, NAMESPACE);
  const args = ["--for=condition=Ready", "--timeout=60s", "pod/client", "pod/outsider"];
  await cluster.kubectl("-n", NAMESPACE, "wait", ...args);
});
after(() => Promise.all([cluster.deleteNamespace(NAMESPACE), uninstallMesh(cluster)]));

async function ask(
  from: string,
  ...args: readonly string[]
): Promise<{ service: string; client: string }> {
  const answer = await cluster.exec(`pod/${from}`, NAMESPACE, "curl", "-sf", "-m", "5", ...args);
  return JSON.parse(answer) as { service: string; client: string };
}

test("the cluster is what it should be: iptables, two families, a plugin after the bridge", async () => {
  const rules = await cluster.inNode("node1", "iptables-save", "-t", "nat");
  assert.match(rules, /KUBE-SVC-/);
  const { status } = await cluster.get<V1Pod>("pod", "client", "-n", NAMESPACE);
  assert.equal(status?.podIPs?.length, 2);
  const limit = await cluster.exec("pod/client", NAMESPACE, "cat", "/proc/sys/net/core/somaxconn");
  assert.equal(limit.trim(), "512");
});

for (const family of ["4", "6"] as const)
  for (const name of ["server", "inside"])
    test(`an enrolled pod's calls over IPv${family} to ${name} go through the mesh, with its own address`, async () => {
      const { status } = await cluster.get<V1Pod>("pod", "client", "-n", NAMESPACE);
      const own = status?.podIPs
        ?.map(({ ip }) => ip)
        .find((ip) => ip?.includes(":") === (family === "6"));
      const base = await caught(cluster);
      for (let i = 0; i < 4; i++) {
        const answer = await ask("client", `-${family}`, `http://${name}/`);
        assert.deepEqual(answer.service, name);
        assert.equal(answer.client, own);
      }
      assert.ok((await caught(cluster)) >= base + 4);
      assert.equal((await ask("outsider", `-${family}`, `http://${name}/`)).service, name);
    });

test("an annotation's removal ends it for both families", async () => {
  await cluster.kubectl("-n", NAMESPACE, "annotate", "pod", "client", "mesh/enabled-");
  await eventually("calls go direct", async () => {
    const base = await caught(cluster);
    await ask("client", "-4", "http://server/");
    await ask("client", "-6", "http://server/");
    return (await caught(cluster)) === base;
  });
  await eventually("check finds nothing wrong", async () =>
    / 0 failed/.test(await nodemesh(cluster, "check")),
  );
});
