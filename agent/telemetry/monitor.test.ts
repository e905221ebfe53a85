import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, type IncomingMessage, request } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { describe, type TestContext, test } from "node:test";
import { type ParsedSample, parseExposition } from "../../test/support/exposition.ts";
import { readOpenMetrics } from "../../test/support/openmetrics.ts";
import { Prerequisites } from "../lifecycle.ts";
import { createBlock } from "./block.ts";
import { Collector } from "./collector.ts";
import { METRIC_KEYS, specOf } from "./metrics.ts";
import { startMonitor, startProbes } from "./monitor.ts";
import { type AgentReadings, buildPage } from "./registry.ts";
import { WorkerMetrics } from "./worker-metrics.ts";

const none = () => [];
const READINGS: AgentReadings = {
  buildInfo: none,
  snapshotVersion: () => [{ labels: {}, value: 17 }],
  snapshotAge: () => [{ labels: {}, value: 0.25 }],
  certificateExpiry: none,
  kernelEvents: () => [
    { labels: { event: "outbound-caught" }, value: 12 },
    { labels: { event: "inbound-caught" }, value: 3 },
  ],
  enrolledPods: () => [{ labels: {}, value: 3 }],
  failedPods: () => [{ labels: {}, value: 3 }],
  workers: () => [{ labels: {}, value: 2 }],
  workerRestarts: () => [{ labels: {}, value: 1 }],
  accessLogDropped: none,
  spansSent: none,
  spansDropped: none,
};

/** What Prometheus says of itself. */
const PROMETHEUS = { "x-prometheus-scrape-timeout-seconds": "10" };

const PAIR = {
  reporter: "source",
  src_namespace: "shop",
  src_workload: 'us"er\\\n',
  dst_namespace: "shop",
  dst_workload: "order",
  dst_service: "shop/order",
  path: "proxy",
  security: "none",
};

async function rig(t: TestContext) {
  const collector = new Collector({ clock: () => 0 });
  const buffer = createBlock();
  collector.attach(buffer);
  const readiness = new Prerequisites(() => 0);
  const errors: unknown[] = [];
  const metrics = buildPage(collector, READINGS);
  const monitor = await startMonitor({
    listen: { host: "127.0.0.1", port: 0 },
    metrics,
    readiness,
    onError: (path, error) => errors.push([path, error]),
  });
  t.after(() => monitor.close());
  const base = `http://127.0.0.1:${monitor.port}`;
  return { worker: new WorkerMetrics(buffer), readiness, monitor, base, errors };
}

describe("/metrics", () => {
  test("is a strictly valid page with workers', main's and the process's metrics", async (t) => {
    const { worker, base } = await rig(t);
    const http = { ...PAIR, protocol: "http", route: "" };
    worker.counter("httpRequests", { ...http, code: "200" }).add(3);
    const duration = worker.histogram("httpDuration", http);
    for (const seconds of [0.0004, 0.003, 100]) duration.observe(seconds);
    const answer = await fetch(`${base}/metrics`);
    assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    const families = parseExposition(await answer.text());
    const values = (name: string) => families.get(name)?.samples.map((one) => one.value);
    assert.deepEqual(families.get("nodemesh_http_requests_total")?.samples, [
      { name: "nodemesh_http_requests_total", labels: { ...http, code: "200" }, value: 3 },
    ]);
    const samples = families.get("nodemesh_http_request_duration_seconds")?.samples ?? [];
    assert.deepEqual(
      samples.filter((one) => one.name.endsWith("_count")).map((one) => one.value),
      [3],
    );
    assert.deepEqual(values("nodemesh_snapshot_version"), [17]);
    assert.deepEqual(values("nodemesh_kernel_events_total"), [12, 3]);
    assert.deepEqual(values("nodemesh_series_overflowed_total"), [0]);
    assert.ok((values("process_cpu_seconds_total")?.[0] ?? 0) > 0);
    for (const key of METRIC_KEYS)
      assert.equal(families.get(specOf(key).name)?.type, specOf(key).kind);
  });

  test("is OpenMetrics for who asks for it, with the same series", async (t) => {
    const { worker, base } = await rig(t);
    const http = { ...PAIR, protocol: "http", route: "" };
    worker.counter("httpRequests", { ...http, code: "200" }).add(3);
    worker.histogram("httpDuration", http).observe(0.003);
    const accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    const [text, open] = await Promise.all(
      [{}, { accept }].map((headers) => fetch(`${base}/metrics`, { headers })),
    );
    assert.ok(text !== undefined && open !== undefined);
    const type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert.equal(open.headers.get("content-type"), type);
    const families = readOpenMetrics(await open.text());
    // What runs in the process changes from page to page.
    const of = (all: Iterable<{ readonly samples: readonly ParsedSample[] }>): string[] =>
      [...all]
        .flatMap(({ samples }) => samples)
        .filter(({ name }) => name.startsWith("nodemesh_"))
        .map(({ name, labels }) => JSON.stringify([name, Object.entries(labels)]));
    assert.deepEqual(of(families.values()), of(parseExposition(await text.text()).values()));
    assert.equal(families.get("nodemesh_http_request_duration_seconds")?.unit, "seconds");
    assert.equal(families.get("nodemesh_tcp_sent_bytes")?.unit, "bytes");
    assert.equal(families.get("nodemesh_build")?.type, "info");
    const [requests] = families.get("nodemesh_http_requests")?.samples ?? [];
    assert.equal(requests?.value, 3);
  });

  test("a scraper sees a new series at 0 first, and the next page over the same connection tells it all", async (t) => {
    const { worker, base } = await rig(t);
    const scraper = new Agent({ keepAlive: true, maxSockets: 1 });
    t.after(() => scraper.destroy());
    const scrape = async (): Promise<string | undefined> => {
      const asked = request(`${base}/metrics`, { agent: scraper, headers: PROMETHEUS }).end();
      const [answer] = (await once(asked, "response")) as [IncomingMessage];
      const page = await text(answer);
      return /^nodemesh_tcp_connections_opened_total.* (\d+)$/m.exec(page)?.[1];
    };
    assert.equal(await scrape(), undefined);
    worker.counter("tcpOpened", PAIR).add(5);
    assert.match(await (await fetch(`${base}/metrics`)).text(), /opened_total.* 5$/m);
    assert.deepEqual([await scrape(), await scrape()], ["0", "5"]);
  });

  test("two scrapes say the same: nothing is counted by looking", async (t) => {
    const { worker, base } = await rig(t);
    worker.counter("tcpOpened", PAIR).add(5);
    const scrape = async () => {
      const page = await (await fetch(`${base}/metrics`)).text();
      return page.split("\n").filter((line) => line.startsWith("nodemesh_"));
    };
    assert.deepEqual(await scrape(), await scrape());
  });
});

describe("/ready", () => {
  test("names what is awaited, then says ready", async (t) => {
    const { readiness, base } = await rig(t);
    const arrived = readiness.await("snapshot");
    const waiting = await fetch(`${base}/ready`);
    assert.equal(waiting.status, 503);
    assert.equal(await waiting.text(), "not ready, waiting for: snapshot (0 s)\n");
    arrived();
    assert.equal((await fetch(`${base}/ready`)).status, 200);
  });
});

describe("/live", () => {
  test("says alive, also while the agent is not ready", async (t) => {
    const { readiness, base } = await rig(t);
    readiness.await("snapshot");
    const answer = await fetch(`${base}/live`);
    assert.equal(answer.status, 200);
    assert.equal(await answer.text(), "alive\n");
  });
});

describe("the probes' server", () => {
  test("answers kubelet, and the metrics' server its scrapers, although silent connections hold that", async (t) => {
    const { monitor, readiness, errors } = await rig(t);
    const probes = await startProbes({
      listen: { host: "127.0.0.1", port: 0 },
      readiness,
      onError: (path, error) => errors.push([path, error]),
    });
    t.after(() => probes.close());
    const silent = Array.from({ length: 64 }, () => connect(monitor.port, "127.0.0.1"));
    t.after(() => silent.forEach((socket) => void socket.destroy()));
    await Promise.all(silent.map((socket) => once(socket, "connect")));
    assert.equal((await fetch(`http://127.0.0.1:${monitor.port}/live`)).status, 200);
    for (const path of ["/live", "/ready"])
      assert.equal((await fetch(`http://127.0.0.1:${probes.port}${path}`)).status, 200);
    assert.equal((await fetch(`http://127.0.0.1:${probes.port}/metrics`)).status, 404);
    assert.deepEqual(errors, []);
  });
});

describe("the server", () => {
  test("answers GET and HEAD of its paths only", async (t) => {
    const { base, errors } = await rig(t);
    assert.equal((await fetch(`${base}/`)).status, 404);
    assert.equal((await fetch(`${base}/ready`, { method: "POST", body: "x" })).status, 405);
    const head = await fetch(`${base}/ready`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    assert.deepEqual(errors, []);
  });

  test("refuses a head larger than its limit", async (t) => {
    const { monitor } = await rig(t);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    const headers = { "x-large": "x".repeat(20_000) };
    request({ host: "127.0.0.1", port: monitor.port, path: "/ready", headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    }).end();
    assert.equal(await promise, 431);
  });

  test("a client that never finishes its request does not keep the server from closing", async (t) => {
    const { monitor } = await rig(t);
    const client = connect(monitor.port, "127.0.0.1");
    const gone = new Promise((resolve) => {
      client.once("close", resolve);
      client.on("error", () => undefined);
    });
    await new Promise<void>((resolve) => client.write("GET /ready HTTP/1.1\r\n", () => resolve()));
    await monitor.close();
    await gone;
  });

  test("says which address is taken", async (t) => {
    const { monitor } = await rig(t);
    const metrics = { scrape: async () => ({ contentType: "text/plain", body: "" }) };
    const readiness = new Prerequisites(() => 0);
    const listen = { host: "127.0.0.1", port: monitor.port };
    await assert.rejects(
      startMonitor({ listen, metrics, readiness, onError: () => undefined }),
      /EADDRINUSE/,
    );
  });
});
