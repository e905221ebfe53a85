/**
 * docs/autoscale.md as a user follows it: Prometheus scrapes the agents, prometheus-adapter serves the documented rule's
 * metric, and the sample's HorizontalPodAutoscaler scales `order` up under load and down after it.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { V1Deployment, V2HorizontalPodAutoscaler } from "@kubernetes/client-node";
import { ROOT } from "../../../support/source-files.ts";
import { Adapter, METRICS_API } from "../../harness/adapter.ts";
import { eventually, TestCluster } from "../../harness/cluster.ts";
import { Load } from "../../harness/load.ts";
import { installMesh } from "../../harness/mesh.ts";
import { Monitoring } from "../../harness/monitoring.ts";

const NAMESPACE = "autoscale";
/** Requests a second: by the sample's target of 50 for each replica, four replicas' work. */
const RATE = 180;
const LEAST = 2;
const WANTED = 4;
/** The documented rule looks back a minute, as is right for scrapes every 15 s; this Prometheus scrapes every second. */
const LOOK_BACK = { documented: "[1m]", here: "[10s]" };

const text = (path: string): string => readFileSync(join(ROOT, path), "utf8");
const DOCS = text("docs/autoscale.md");
const [, RULES = ""] = /```yaml\n([\s\S]*?)```/.exec(DOCS) ?? [];
const [, RAW_PATH = ""] = /^kubectl get --raw (\S+)$/m.exec(DOCS) ?? [];

const cluster = new TestCluster();
let monitoring: Monitoring | undefined;
let adapter: Adapter | undefined;

before(async () => {
  await installMesh(cluster);
  await cluster.namespace(NAMESPACE, { "mesh/enabled": "true" });
  const order = text("deploy/samples/shop.yaml")
    .split(/^---$/m)
    .filter((document) => document.includes("name: order"));
  assert.equal(order.length, 2);
  await applyHere(order.join("\n---\n"));
  await cluster.kubectl("-n", NAMESPACE, "scale", "deploy/order", `--replicas=${LEAST}`);
  monitoring = await Monitoring.start(cluster);
  assert.ok(RULES.includes(LOOK_BACK.documented), RULES);
  const rules = RULES.replace(LOOK_BACK.documented, LOOK_BACK.here);
  adapter = await Adapter.start(cluster, rules, monitoring.prometheus.url);
  await cluster.rolledOut("deployment/order", NAMESPACE);
});
after(async () => {
  await adapter?.[Symbol.asyncDispose]();
  await monitoring?.[Symbol.asyncDispose]();
  await cluster.deleteNamespace(NAMESPACE);
});

/** Applies a sample in the test's own namespace: it names none. */
async function applyHere(sample: string): Promise<void> {
  const words = ["-n", NAMESPACE, "apply", "--server-side", "-f", "-"];
  await cluster.run(cluster.spec.programs["kubectl"] ?? "", words, sample);
}

/** Waits for what the Deployment has of replicas, all Ready and no more; returns for how long, in seconds. */
async function replicas(what: string, enough: (count: number) => boolean): Promise<number> {
  const began = performance.now();
  await eventually(
    what,
    async () => {
      const args = ["deployment", "order", "-n", NAMESPACE];
      const { spec, status } = await cluster.get<V1Deployment>(...args);
      const count = spec?.replicas ?? 0;
      return enough(count) && status?.readyReplicas === count && status.replicas === count;
    },
    60_000,
  );
  return (performance.now() - began) / 1000;
}

test("an HPA scales order up under load, by what the mesh counted, and down after it", async (t) => {
  await applyHere(text("deploy/samples/hpa.yaml"));
  // Five minutes by default: not to be waited for here.
  const behavior = { scaleDown: { stabilizationWindowSeconds: 1 } };
  const patch = JSON.stringify({ spec: { behavior } });
  await cluster.kubectl("-n", NAMESPACE, "patch", "hpa", "order", "--type=merge", "-p", patch);
  let up = 0;
  {
    await using _load = await Load.start(cluster, {
      ...{ namespace: NAMESPACE, name: "load", url: "http://order/" },
      ...{ rate: RATE, connections: "kept" },
    });
    up = await replicas("scaled up", (count) => count >= WANTED);
    const args = ["hpa", "order", "-n", NAMESPACE];
    const { status } = await cluster.get<V2HorizontalPodAutoscaler>(...args);
    const active = status?.conditions?.find(({ type }) => type === "ScalingActive");
    assert.equal(`${active?.status} ${active?.reason}`, "True ValidMetricFound");
    // As the documentation says one may ask.
    const path = RAW_PATH.replace("/namespaces/default/", `/namespaces/${NAMESPACE}/`);
    assert.match(path, new RegExp(`^/apis/${METRICS_API}/.*/${NAMESPACE}/`));
    const { items } = JSON.parse(await cluster.ask(path)) as { items: { value: string }[] };
    const [{ value } = { value: "0" }] = items;
    const rate = value.endsWith("m") ? Number(value.slice(0, -1)) / 1000 : Number(value);
    t.diagnostic(`scaled up after ${up.toFixed(0)} s, by ${rate} requests a second of ${RATE}`);
    assert.ok(rate > RATE / 2 && rate < RATE * 1.5, value);
  }
  const down = await replicas("scaled down", (count) => count === LEAST);
  t.diagnostic(`scaled down after ${down.toFixed(0)} s`);
});
