/**
 * The agent goes and comes back under load: rolled over, away from a node, and what mesh/fail then says. No request
 * of a client that honours `Connection: close` fails; relayed connections live until the drain's end.
 */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1Pod } from "@kubernetes/client-node";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import { Load } from "../../harness/load.ts";
import { agentOn, installMesh, MESH_NAMESPACE, meshPods, meshReady } from "../../harness/mesh.ts";
import { echoServer } from "../../harness/pods.ts";
import { type Sight, sights, troubles, watched, watcher } from "../../harness/watcher.ts";

const NAMESPACE = "restarts";
const DRAIN_SECONDS = 5;
const NODE = "node1";

const cluster = new TestCluster();

before(async () => {
  await installMesh(cluster, "--set", `agent.drainSeconds=${DRAIN_SECONDS}`);
  await cluster.namespace(NAMESPACE);
  await cluster.apply([
    ...watched(NAMESPACE),
    ...echoServer({ namespace: NAMESPACE, name: "server" }, 2),
  ]);
  await cluster.rolledOut("deployment/server", NAMESPACE);
  const args = ["--for=condition=Ready", "--timeout=60s", "pod/watched-http", "pod/watched-bytes"];
  await cluster.kubectl("-n", NAMESPACE, "wait", ...args);
});
after(async () => {
  await agentsEverywhereBut(undefined);
  await Promise.all([cluster.deleteNamespace(NAMESPACE), installMesh(cluster)]);
});

function seen(name: string): Promise<readonly Sight[]> {
  return sights(cluster, NAMESPACE, name);
}

async function watch(name: string, annotations: Readonly<Record<string, string>>): Promise<void> {
  await cluster.apply([watcher({ namespace: NAMESPACE, name, node: NODE, annotations })]);
  const way = annotations["mesh/enabled"] === "true" ? "mesh" : "direct";
  await wayOf(name, way);
}

function wayOf(name: string, way: "mesh" | "direct", from = 0): Promise<Sight> {
  return eventually(`${name} goes ${way}`, async () => {
    const last = (await seen(name)).findLast((sight) => "way" in sight);
    return last !== undefined && last.at >= from && last.way === way && last;
  });
}

/** The numbers of the held connections that were opened before a moment. */
function openedBefore(all: readonly Sight[], at: number): readonly number[] {
  return all.flatMap((sight) => ("opened" in sight && sight.at < at ? [sight.opened] : []));
}

/** Leaves one node, or none, without an agent. */
function agentsEverywhereBut(node: string | undefined): Promise<string> {
  const rule = { key: "kubernetes.io/hostname", operator: "NotIn", values: [node] };
  const affinity = {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [rule] }],
      },
    },
  };
  const patch = {
    spec: { template: { spec: { affinity: node === undefined ? null : affinity } } },
  };
  const args = [
    "patch",
    "daemonset",
    "nodemesh-agent",
    "--type=merge",
    "-p",
    JSON.stringify(patch),
  ];
  return cluster.kubectl("-n", MESH_NAMESPACE, ...args);
}

/** When an agent's pod is told to go, within a second before: milliseconds since 1970. Waits for it. */
async function deletedAt(agent: string): Promise<number> {
  const condition = "--for=jsonpath={.metadata.deletionTimestamp}";
  const args = ["wait", `pod/${agent}`, condition, "--timeout=90s", "-o", "json"];
  const text = await cluster.kubectl("-n", MESH_NAMESPACE, ...args);
  const { metadata }: V1Pod = JSON.parse(text);
  // The API's time is the end of the grace period, in whole seconds.
  const end = new Date(metadata?.deletionTimestamp ?? Number.NaN).getTime();
  return end - (metadata?.deletionGracePeriodSeconds ?? 0) * 1000;
}

test("a rolling update of the agents under load fails no request, and cuts relayed connections at the drain's end", async (t) => {
  const enrolled = { "mesh/enabled": "true" };
  const wish = { namespace: NAMESPACE, url: "http://server/", rate: 50, annotations: enrolled };
  const start = (connections: "fresh" | "kept", node: string): Promise<Load> =>
    Load.start(cluster, { ...wish, name: `load-${connections}`, node, connections });
  await using stack = new AsyncDisposableStack();
  // Also when it fails: the next test has pods of the same names, and measures others.
  stack.defer(async () => {
    const pods = ["outsider", "relayed", "load-fresh", "load-kept"];
    await cluster.kubectl("-n", NAMESPACE, "delete", "--ignore-not-found", "pod", ...pods);
  });
  const [fresh, kept] = await Promise.all([
    start("fresh", "node1"),
    start("kept", "node2"),
    watch("outsider", {}),
    watch("relayed", enrolled),
  ]);
  await sleep(2_000);
  const agent = await agentOn(cluster, NODE);
  await using log = cluster.running("-n", MESH_NAMESPACE, "logs", "-f", agent);
  const from = Date.now();
  await cluster.kubectl("-n", MESH_NAMESPACE, "rollout", "restart", "daemonset/nodemesh-agent");
  const deleted = await deletedAt(agent);
  await meshReady(cluster);
  const to = Date.now();
  const sums = await Promise.all([fresh, kept].map((load) => load.settledSince(from)));
  for (const [i, name] of ["fresh", "kept"].entries()) {
    const sum = sums[i];
    assert.ok(sum);
    t.diagnostic(`${name}: ${sum.ok} ok, slowest ${sum.slowestMs} ms, ${sum.failed} failed`);
    assert.deepEqual(sum.errors, {}, name);
    assert.ok(sum.ok > ((to - from) / 1000) * 30, `${sum.ok} in ${to - from} ms`);
  }
  assert.deepEqual(troubles(await seen("outsider")), [], "who is not enrolled notices nothing");
  const all = await seen("relayed");
  const ended = all.filter((sight) => "ended" in sight);
  const old = openedBefore(all, from);
  assert.deepEqual(
    ended
      .map((sight) => sight.ended)
      .sort((a, b) => a - b)
      .slice(0, old.length),
    old,
    "the relayed connections of before",
  );
  assert.deepEqual(
    all.filter((sight) => "failed" in sight),
    [],
  );
  const first = Math.min(...ended.map(({ at }) => at));
  const [cut] = await log.says(/connections were cut at the drain deadline.*/);
  t.diagnostic(`relayed: cut ${first - deleted} ms after the agent was told to go; agent: ${cut}`);
  assert.ok(first - deleted >= DRAIN_SECONDS * 1000, "not before the drain's end");
  assert.match(cut, /"connections":[1-9]/);
});

test("without an agent on its node an open pod goes direct, a closed one is refused; with one, both are back", async (t) => {
  const enrolled = { "mesh/enabled": "true" };
  await Promise.all([
    watch("open", enrolled),
    watch("closed", { ...enrolled, "mesh/fail": "closed" }),
    watch("outsider", {}),
  ]);
  await sleep(1_200);
  const from = Date.now();
  await agentsEverywhereBut(NODE);
  await eventually("no agent on it", async () =>
    (await meshPods(cluster, "agent")).every(({ node }) => node !== NODE),
  );
  await wayOf("open", "direct", from);
  // "Nobody" refuses both ways: that a closed pod is refused shows in its requests to somebody.
  const refused = await eventually("the closed pod is refused", async () =>
    (await seen("closed")).find((sight) => "failed" in sight && sight.at > from),
  );
  assert.ok("failed" in refused);
  assert.equal(refused.failed, "ECONNREFUSED");
  await sleep(3_000);
  const back = Date.now();
  await agentsEverywhereBut(undefined);
  await meshReady(cluster);
  await wayOf("open", "mesh", back);
  await wayOf("closed", "mesh", back);
  const [open, closed] = [await seen("open"), await seen("closed")];
  assert.deepEqual(
    open.filter((sight) => "failed" in sight),
    [],
  );
  const failed = closed.filter((sight) => "failed" in sight);
  assert.deepEqual([...new Set(failed.map((sight) => sight.failed))], ["ECONNREFUSED"]);
  const away = failed.at(-1);
  t.diagnostic(
    `closed: ${failed.length} connections refused for ${(away?.at ?? 0) - refused.at} ms`,
  );
  assert.deepEqual(troubles(await seen("outsider")), []);
});
