/** What panels show of a load that goes on is what its clients measured, each of their requests. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { DASHBOARDS } from "../../deploy/grafana/dashboards.ts";
import { compareFigures, worstOf } from "../cluster/harness/compared.ts";
import type { Metered } from "../cluster/harness/figures.ts";
import { type MeterOf, metered, meterWords } from "../cluster/harness/meter.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { lookAt } from "../support/panels.ts";
import { listed, Prometheus } from "../support/prometheus.ts";

const ENROLLED = { "mesh/enabled": "true" };
/** Over so many seconds rates are taken: Prometheus scrapes every second. */
const RATE_SECONDS = 12;
/** Rates, six looks a second apart, and at either end as long as the slowest answer takes. */
const LOAD_SECONDS = 22;
const SLOW = "/slow?ms=800";
/** Durations far from a bucket's bounds, beside which a busy machine's delays are small. */
const MIX = [SLOW, SLOW, "/status/500", SLOW, SLOW, SLOW, "/slow?ms=2000", SLOW, SLOW, SLOW];

const MANIFESTS =
  idlePod("near", "node-2", ENROLLED) +
  idlePod("far", "node-1", ENROLLED) +
  idlePod("outsider", "node-1") +
  `
---
apiVersion: v1
kind: Pod
metadata: { name: order, labels: { app: order }, annotations: ${JSON.stringify(ENROLLED)} }
spec:
  nodeName: node-2
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: nodemesh/echo, ports: [{ name: http, containerPort: 8080 }] }]
` +
  serviceOf("order", { http: [8080, "http"] });

const toOrder = (client: string): MeterOf => ({
  ...{ namespace: "default", client, enrolled: client !== "outsider" },
  ...{ server: "order", service: "order" },
});
const CLIENTS = ["near", "far", "outsider"].map(toOrder);

let lab: MeshLab;
let prometheus: Prometheus;
let requests: readonly Metered[];
/** The last moment at which all loads had gone on for long. */
let steadyMs = 0;

async function ask(of: MeterOf): Promise<readonly Metered[]> {
  const work = { paths: MIX, rate: 50, seconds: LOAD_SECONDS };
  const words = meterWords(process.execPath, "http://order:8080", work);
  const { stdout, stderr } = await lab.exec(of.client, ...words);
  assert.ok(stdout !== "", stderr);
  return metered(of, stdout);
}

before(async () => {
  lab = await MeshLab.start("figures", MANIFESTS);
  const { nodes } = await lab.status();
  const [first] = nodes;
  assert.ok(first !== undefined);
  prometheus = await Prometheus.start({
    netns: first.netns,
    command: (...words) => ["nsenter", `--net=${first.netns}`, ...words],
    ...listed({ agents: nodes.map(({ metrics }) => new URL(metrics).host) }),
  });
  const done = await Promise.all(CLIENTS.map(ask));
  requests = done.flat();
  steadyMs = Math.min(...done.map((of) => Math.max(...of.map(({ endedMs }) => endedMs)))) - 2_500;
});

after(async () => {
  await prometheus?.[Symbol.asyncDispose]();
  await lab?.[Symbol.asyncDispose]();
});

test("panels show what clients measured", async (t) => {
  assert.equal(requests.filter(({ code }) => code === 0).length, 0, "a request had no answer");
  const look = { atMs: steadyMs, rateSeconds: RATE_SECONDS };
  const looks = DASHBOARDS.map((dashboard) => lookAt(prometheus, dashboard, look));
  const compared = await compareFigures({
    ...{ prometheus, requests, steadyMs, rateSeconds: RATE_SECONDS },
    seen: (await Promise.all(looks)).flat(),
    slowClients: CLIENTS.filter(({ enrolled }) => enrolled).map(({ client }) => client),
  });
  const wrong = compared.filter(({ right }) => !right);
  t.diagnostic(`${requests.length} requests, ${worstOf(compared)}`);
  assert.deepEqual(wrong, []);
  assert.ok(compared.length > 30, `${compared.length}`);
});
