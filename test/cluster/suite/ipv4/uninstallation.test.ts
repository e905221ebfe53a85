/**
 * The whole life of an installation with the commands of the documentation, and what is left of it on the nodes:
 * nothing.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { V1Pod } from "@kubernetes/client-node";
import type { StatusReport } from "../../../../control/cli/status/report.ts";
import { ROOT } from "../../../support/source-files.ts";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import { caught, MESH_NAMESPACE, meshReady, nodemesh, uninstallMesh } from "../../harness/mesh.ts";

const SHOP = readFileSync(join(ROOT, "deploy/samples/shop.yaml"), "utf8");
const NODES = ["node1", "node2"];

const cluster = new TestCluster();
const kubectl = cluster.spec.programs["kubectl"] ?? "";

before(() => uninstallMesh(cluster));
after(() => cluster.run(kubectl, ["delete", "--ignore-not-found", "-f", "-"], SHOP));

/** What a mesh could leave behind on a node, as words; what the CNI plugins have there is their own. */
async function traces(node: string): Promise<readonly string[]> {
  const script = `
find /sys/fs/bpf -mindepth 1
ls /run/netns | grep -v ^cni-
ip rule list
ip -6 rule list
ip link | grep -v veth | sed -n 's/^[0-9]*: \\([^:@]*\\).*/\\1/p'
true`;
  const found = (await cluster.inNode(node, "/bin/sh", "-c", script)).trim();
  return found.split("\n").sort();
}

/** Rules of every network namespace of a node's pods. */
async function podRules(node: string): Promise<readonly string[]> {
  const script = `
for n in /run/netns/cni-*; do
  for family in -4 -6; do
    nsenter --net=$n ip $family rule list
    nsenter --net=$n ip $family route show table all | grep -o 'table [0-9]*'
  done
done | sort -u
true`;
  return (await cluster.inNode(node, "/bin/sh", "-c", script)).trim().split("\n").sort();
}

async function pods(app: string): Promise<readonly V1Pod[]> {
  return cluster.pods("default", { labelSelector: `app=${app}` });
}

/** Asks one pod by its address, past every Service; the name of the pod that answered. */
async function askDirectly({ status }: V1Pod): Promise<string> {
  const url = `http://${status?.podIP ?? ""}:8080/`;
  const answer = await cluster.exec("deploy/user", "default", "curl", "-sf", "-m", "5", url);
  return (JSON.parse(answer) as { pod: string }).pod;
}

/** The machine's BPF links: nothing else that has any runs beside the tests. */
function bpfLinks(): readonly string[] {
  const listed = execFileSync("/usr/sbin/bpftool", ["--json", "link", "list"], {
    encoding: "utf8",
  });
  const links = JSON.parse(listed) as readonly { id: number; type: string }[];
  return links.map(({ id, type }) => `${type} ${id}`);
}

test("check --pre, install, check, annotate, call, roll over, uninstall: as before on every node", async (t) => {
  const pre = await nodemesh(cluster, "check", "--pre");
  assert.match(pre, / 0 failed/);
  await cluster.run(kubectl, ["apply", "-f", "-"], SHOP);
  await cluster.rolledOut("deployment/user", "default");
  await cluster.rolledOut("deployment/order", "default");
  // With pods on each node: the CNI plugin makes its bridge for the first one.
  const before = await Promise.all(NODES.map(traces));
  const links = bpfLinks();
  const rulesBefore = await Promise.all(NODES.map(podRules));

  await cluster.run(kubectl, ["apply", "-f", "-"], await nodemesh(cluster, "install"));
  // As in the quick start: at once, and check waits for the agents.
  const installed = await nodemesh(cluster, "check");
  assert.match(installed, /coming up.* 0 warnings, 0 failed/s);
  await cluster.kubectl("annotate", "pod", "-l", "app=user", "mesh/enabled=true");
  const [closed] = await pods("order");
  assert.ok(closed !== undefined);
  const closedName = closed.metadata?.name ?? "";
  const words = ["mesh/enabled=true", "mesh/fail=closed"];
  await cluster.kubectl("annotate", "pod", closedName, ...words);
  await eventually("calls go through the mesh", async () => {
    const base = await caught(cluster);
    await cluster.exec("deploy/user", "default", "curl", "-s", "http://order/");
    return (await caught(cluster)) > base;
  });
  const status = JSON.parse(await nodemesh(cluster, "status", "-o", "json"));
  const { pods: told }: StatusReport = status;
  const users = told.filter(({ name }) => name.startsWith("user-"));
  assert.deepEqual(
    users.map(({ ready, path }) => `${ready} ${path}`),
    Array(3).fill("true proxy"),
  );
  await cluster.kubectl("rollout", "restart", "ds/nodemesh-agent", "-n", MESH_NAMESPACE);
  await meshReady(cluster);
  await cluster.exec("deploy/user", "default", "curl", "-sf", "http://order/");

  const from = Date.now();
  await uninstallMesh(cluster);
  await eventually(
    "its namespace is gone",
    async () => (await cluster.kubectl("get", "ns", MESH_NAMESPACE, "--ignore-not-found")) === "",
    90_000,
  );
  t.diagnostic(`uninstalled in ${Date.now() - from} ms`);
  assert.deepEqual(await Promise.all(NODES.map(traces)), before);
  assert.deepEqual(await Promise.all(NODES.map(podRules)), rulesBefore);
  await eventually("no BPF link is left", () =>
    Promise.resolve(bpfLinks().every((link) => links.includes(link))),
  );
  await cluster.exec("deploy/user", "default", "curl", "-sf", "http://order/");
  // The Service would hide it: two other pods are behind it.
  assert.equal(await askDirectly(closed), closedName);
});
