/**
 * The dashboards against a real Prometheus that scrapes the simulated cluster under a load with errors, refusals and
 * retries: every query returns what it says, and the counters are what client and servers counted.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { DASHBOARDS } from "../../deploy/grafana/dashboards.ts";
import { CONTROL_METRICS_PORT } from "../../deploy/sim/mesh/mesh.ts";
import { fetchInNetns } from "../../deploy/sim/mesh/netns-fetch.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { lookAt, type Seen } from "../support/panels.ts";
import { type History, listed, Prometheus, type PrometheusInit } from "../support/prometheus.ts";
import { until } from "../support/until.ts";

/** Shown of a control on a cluster only. */
const CLUSTER_ONLY = new Set(["Leader", "Kinds that are not followed", "Complete lists"]);

/** Gauges whose names end as a counter's do: prom-client's, and Prometheus' own. */
const NO_COUNTERS = /^(?:nodejs_active_|scrape_)/;

const ENROLLED = { "mesh/enabled": "true" };

function echo(name: string, app: string, node: string): string {
  return `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${app} }, annotations: ${JSON.stringify(ENROLLED)} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: nodemesh/echo
      ports: [{ name: http, containerPort: 8080 }]
      readinessProbe: { httpGet: { path: /healthz, port: http }, periodSeconds: 1 }
`;
}

/** Of the same Service as the pods of that label, but nobody listens in it: what is sent there is tried elsewhere. */
function deaf(name: string, app: string, node: string): string {
  return idlePod(name, node, ENROLLED).replace(`app: ${name}`, `app: ${app}`);
}

const MANIFESTS =
  idlePod("client", "node-1", ENROLLED) +
  idlePod("outsider", "node-2") +
  idlePod("newcomer", "node-1", ENROLLED) +
  echo("order-near", "order", "node-1") +
  echo("order-far", "order", "node-2") +
  serviceOf("order", { http: [8080, "http"] }) +
  echo("half-live", "half", "node-2") +
  deaf("half-deaf", "half", "node-2") +
  serviceOf("half", { http: [8080, "http"] });

let lab: MeshLab;
let prometheus: Prometheus;
/** A second one, as an operator has for safety: it scrapes the same at other moments, from the same address. */
let replica: Prometheus;

before(async () => {
  lab = await MeshLab.start("dashboards", MANIFESTS);
  const { nodes } = await lab.status();
  const [first] = nodes;
  assert.ok(first !== undefined);
  const [address = ""] = first.addresses;
  const init: PrometheusInit = {
    netns: first.netns,
    command: (...words) => ["nsenter", `--net=${first.netns}`, ...words],
    ...listed({
      agents: nodes.map(({ metrics }) => new URL(metrics).host),
      control: [`${address}:${CONTROL_METRICS_PORT}`],
    }),
  };
  [prometheus, replica] = await Promise.all([
    Prometheus.start(init),
    Prometheus.start({ ...init, port: 9091 }),
  ]);
});

after(async () => {
  for (const one of [replica, prometheus]) await one[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

/** What a client counted, by status. */
type Answers = ReadonlyMap<number, number>;

/** Asks one after the other over one connection, as curl does with a range of URLs. */
async function ask(pod: string, url: string, ...options: readonly string[]): Promise<Answers> {
  const words = ["-s", "-o", "/dev/null", "-w", "%{http_code}\n", ...options, url];
  const { stdout, stderr } = await lab.exec(pod, "curl", ...words);
  const answers = new Map<number, number>();
  for (const code of stdout.trim().split("\n").map(Number))
    answers.set(code, (answers.get(code) ?? 0) + 1);
  assert.ok(stdout !== "", stderr);
  return answers;
}

/** The sum of an instant query; 0 when there is nothing. */
async function sum(query: string): Promise<number> {
  return (await prometheus.query(`sum(${query})`))[0]?.value ?? 0;
}

const REQUESTS = "nodemesh_http_requests_total";

test("what client and servers counted is what Prometheus has, to the last one", async () => {
  const good = await ask("client", "http://order:8080/bytes/[1-200]");
  const bad = await ask("client", "http://order:8080/status/5[00-19]");
  const outside = await ask("outsider", "http://order:8080/bytes/[1-50]");
  assert.deepEqual(good, new Map([[200, 200]]));
  assert.equal(
    [...bad.values()].reduce((all, one) => all + one, 0),
    20,
  );
  assert.deepEqual(outside, new Map([[200, 50]]));
  const order = 'dst_service="default/order",src_namespace!=""';
  const from = `src_workload="client",${order}`;
  const outsiders = `${REQUESTS}{reporter="destination",src_workload="outsider",${order}}`;
  await until("all is scraped", async () => {
    const counted = (reporter: string) => sum(`${REQUESTS}{reporter="${reporter}",${from}}`);
    const sums = [await counted("source"), await counted("destination"), await sum(outsiders)];
    return sums.join() === "220,220,50";
  });
  for (const reporter of ["source", "destination"]) {
    const counted = (more: string) => sum(`${REQUESTS}{reporter="${reporter}",${from}${more}}`);
    assert.equal(await counted(""), 220, reporter);
    assert.equal(await counted(',code="200"'), 200, reporter);
    for (const [code, times] of bad)
      assert.equal(await counted(`,code="${code}"`), times, `${reporter} ${code}`);
    // 1 + 2 + … + 200 bytes of bodies.
    const bytes = `nodemesh_http_response_bytes_sum{reporter="${reporter}",${from}}`;
    assert.ok((await sum(bytes)) >= 20_100, reporter);
  }
  // Some stayed on the node: nobody but the one agent could count those for the server.
  const local = await sum(`${REQUESTS}{reporter="destination",security="local",${from}}`);
  assert.ok(local > 0 && local < 220, `${local} of 220 stayed on the node`);
});

/** How much all series of a range have risen, by their first and last samples: nothing is extrapolated. */
function rise(histories: readonly History[]): number {
  return histories.reduce((sum, { values }) => sum + (values.at(-1) ?? 0) - (values[0] ?? 0), 0);
}

describe("the first requests of a pair are an increase from 0", () => {
  const COUNT = 37;
  before(async () => {
    // Over before most scrapes: without a first 0 nobody would see them rise.
    const answers = await ask("newcomer", `http://order:8080/bytes/[1-${COUNT}]`);
    assert.deepEqual(answers, new Map([[200, COUNT]]));
  });

  const PAIR = 'src_workload="newcomer",dst_service="default/order"';
  const counted = [REQUESTS, "nodemesh_http_request_duration_seconds_count"].flatMap((metric) =>
    ["source", "destination"].map((by) => `${metric}{${PAIR},reporter="${by}"}[5m]`),
  );

  for (const [name, of] of Object.entries({ one: () => prometheus, replica: () => replica })) {
    for (const range of counted)
      test(`in Prometheus, ${name}: ${range}`, async () => {
        const seen = () => of().histories(range);
        await until("it has risen", async () => rise(await seen()) === COUNT);
        for (const { values } of await seen()) assert.equal(values[0], 0);
      });

    test(`in Prometheus, ${name}: nothing began with a count that nobody saw it reach`, async () => {
      const all = await of().histories('{__name__=~".+_total|.+_count"}[5m]');
      const counters = all.filter(({ metric }) => !NO_COUNTERS.test(metric["__name__"] ?? ""));
      assert.ok(counters.length > 100);
      for (const { metric, values } of counters) assert.equal(values[0], 0, JSON.stringify(metric));
    });
  }
});

test("kubelet's probes are counted apart", async () => {
  const probes = `${REQUESTS}{src_namespace="",src_workload="kubelet",dst_service="default/order"}`;
  await until("a probe of each pod was scraped", async () => (await sum(probes)) >= 2);
  assert.equal(await sum(`${REQUESTS}{reporter="source",src_workload="kubelet"}`), 0);
});

describe("dashboards", () => {
  const EXPECTED_EMPTY: string[] = [];
  let seen: readonly Seen[];

  before(async () => {
    // Rates need series that move between scrapes, which are late on a busy machine.
    const end = performance.now() + 6_000;
    const tried = 'rate(nodemesh_retries_total{result="sent"}[10s])';
    const isRated = async () => (await prometheus.query(tried)).length > 0;
    while (performance.now() < end || !(await isRated())) {
      await ask("client", "http://order:8080/bytes/[1-40]");
      await ask("client", "http://order:8080/status/5[00-03]");
      await ask("client", "http://half:8080/bytes/[1-20]");
      await ask("outsider", "http://order:8080/bytes/[1-10]");
      // The mesh refuses it.
      await ask("client", "http://order:8080/", "-H", "Host:");
    }
    const all: Seen[] = [];
    for (const dashboard of DASHBOARDS) all.push(...(await lookAt(prometheus, dashboard)));
    seen = all;
  });

  test("every query of every panel returns series, but where the panel says that there may be none", (t) => {
    const panels = new Map<
      string,
      { returned: number; queries: number; empty: string | undefined }
    >();
    for (const { dashboard, panel, series } of seen) {
      const at = `${dashboard.title}: ${panel.title}`;
      const before = panels.get(at) ?? { returned: 0, queries: 0, empty: panel.empty };
      const returned = before.returned + (series.length > 0 ? 1 : 0);
      panels.set(at, { ...before, returned, queries: before.queries + 1 });
    }
    const empty = [...panels].filter(([, { returned }]) => returned === 0);
    for (const [at, { empty: words }] of empty) {
      const title = at.split(": ")[1] ?? "";
      assert.ok(words !== undefined || CLUSTER_ONLY.has(title), `${at} is empty`);
      EXPECTED_EMPTY.push(at);
    }
    const returned = seen.reduce((all, { series }) => all + series.length, 0);
    t.diagnostic(
      `${DASHBOARDS.length} dashboards, ${panels.size} panels, ${seen.length} queries, ${returned} series; empty as they say: ${EXPECTED_EMPTY.join(", ")}`,
    );
    assert.ok(EXPECTED_EMPTY.length < panels.size / 5);
  });

  test("no panel shows what is no number", () => {
    for (const { dashboard, panel, query, series } of seen)
      for (const { value } of series)
        if (panel.kind !== "series")
          assert.ok(Number.isFinite(value), `${dashboard.title}: ${panel.title}: ${query}`);
  });

  test("the times of application, network and mesh are there, and what was lost of a way that loses nothing", () => {
    const of = (title: string) =>
      seen
        .filter(({ panel }) => panel.title === title)
        .flatMap(({ series }) => series)
        .map(({ value }) => value)
        .filter(Number.isFinite);
    for (const title of [
      "Until the answer begins",
      "Round trips between the nodes",
      "Until its answers begin",
      "Waiting for an endpoint",
    ]) {
      assert.ok(of(title).length > 0, title);
      // A machine that is busy is slow, but not that slow.
      assert.ok(
        of(title).every((seconds) => seconds >= 0 && seconds < 10),
        `${title}: ${of(title).join()}`,
      );
    }
    assert.ok(of("Lost on the way").length > 0);
    assert.ok(of("Lost on the way").every((share) => share >= 0 && share < 0.1));
  });

  test("retries and refusals are there with their labels", async () => {
    const of = (title: string) =>
      seen.filter(({ panel }) => panel.title === title).flatMap(({ series }) => series);
    assert.ok(of("Tries at another endpoint").some(({ metric }) => metric["result"] === "sent"));
    assert.ok(of("Refusals").some(({ metric }) => metric["reason"] === "request-malformed"));
  });
});

test("Prometheus reads agents and control as OpenMetrics, which says types and units that text does not", async () => {
  const of = async (metric: string): Promise<readonly string[]> =>
    (await prometheus.metadata(metric)).map(({ type, unit }) => `${type} ${unit}`.trim());
  const { nodes } = await lab.status();
  const everybody = nodes.length + 1;
  assert.deepEqual(await of("nodemesh_build"), Array(everybody).fill("info"));
  assert.deepEqual(await of("process_cpu_seconds"), Array(everybody).fill("counter seconds"));
  assert.deepEqual(await of("nodemesh_control_compile_duration_seconds"), ["histogram seconds"]);
});

test("promtool has nothing to say about our metrics", async () => {
  const { nodes } = await lab.status();
  const [first] = nodes;
  const control = await fetchInNetns({
    netns: first?.netns ?? "",
    ip: first?.addresses[0] ?? "",
    port: CONTROL_METRICS_PORT,
    path: "/metrics",
  });
  for (const page of [await lab.metrics("node-1"), control?.body ?? ""]) {
    const ours = page.split("\n").filter((line) => /^(?:# \w+ )?nodemesh_/.test(line));
    assert.ok(ours.length > 20);
    const input = `${ours.join("\n")}\n`;
    const { status, stdout, stderr } = spawnSync("promtool", ["check", "metrics"], { input });
    assert.equal(status, 0, `${stdout}${stderr}`);
    assert.equal(`${stdout}${stderr}`, "");
  }
});
