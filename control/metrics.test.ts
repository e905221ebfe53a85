import assert from "node:assert/strict";
import { test } from "node:test";
import { readOpenMetrics } from "../test/support/openmetrics.ts";
import type { ResourceState } from "./k8s/source.ts";
import { type ControlMetrics, makeMetrics } from "./metrics.ts";
import { Pipeline } from "./pipeline.ts";
import { AgentRegistry } from "./publish/agents.ts";
import { Publisher } from "./publish/publisher.ts";

function metricsOf(states: readonly ResourceState[]): ControlMetrics {
  const publisher = new Publisher("e");
  const pipeline = new Pipeline(publisher, () => {});
  const metrics = makeMetrics({
    publisher,
    agents: new AgentRegistry(() => new Date()),
    pipeline,
  });
  metrics.watch({ source: { states: () => states }, leadership: () => ({ leading: true }) });
  return metrics;
}

test("complete lists are a counter, and the snapshot's version has a name of control's own", async () => {
  const well = { resource: "nodes", objects: 3, lists: 2, failures: 0, trouble: undefined };
  const { registry } = metricsOf([{ ...well, heardMsAgo: 1500 }]);
  const page = await registry.metrics();
  assert.ok(page.includes('nodemesh_control_lists_total{resource="nodes"} 2\n'), page);
  assert.ok(page.includes("# TYPE nodemesh_control_lists_total counter\n"));
  assert.ok(
    (await registry.metrics()).includes('nodemesh_control_lists_total{resource="nodes"} 2\n'),
  );
  assert.ok(page.includes("nodemesh_control_snapshot_version 0\n"));
  assert.ok(!page.includes("nodemesh_snapshot_version"));
});

test("a counter that is new is 0 for a scraper first, also one that had counted before anybody scraped", async () => {
  const { acks, page, compileSeconds } = metricsOf([]);
  acks.inc({ verdict: "taken" }, 3);
  compileSeconds.observe(0.003);
  const scraper = { address: "a", connection: { destroyed: false } };
  const scrape = async (): Promise<string> => (await page.scrape({ accept: "", scraper })).body;
  const first = await scrape();
  assert.ok(first.includes('nodemesh_control_acks_total{verdict="taken"} 0\n'), first);
  assert.ok(first.includes("nodemesh_control_compile_duration_seconds_count 0\n"));
  const second = await scrape();
  assert.ok(second.includes('nodemesh_control_acks_total{verdict="taken"} 3\n'), second);
  assert.ok(second.includes('compile_duration_seconds_bucket{le="0.002"} 0\n'), second);
  assert.ok(second.includes('compile_duration_seconds_bucket{le="0.005"} 1\n'));
  assert.ok(second.includes("nodemesh_control_compile_duration_seconds_sum 0.003\n"));
});

test("the page is OpenMetrics for who asks for it", async () => {
  const well = { resource: "nodes", objects: 3, lists: 2, failures: 0, trouble: undefined };
  const { page, refusedAgents } = metricsOf([{ ...well, heardMsAgo: 1500 }]);
  refusedAgents.inc({ reason: "no-token" });
  const accept = "application/openmetrics-text;version=1.0.0";
  const { contentType, body } = await page.scrape({ accept, scraper: undefined });
  assert.match(contentType, /^application\/openmetrics-text; version=1\.0\.0;/);
  const families = readOpenMetrics(body);
  const samples = (name: string) => families.get(name)?.samples;
  assert.deepEqual(samples("nodemesh_control_agents_refused"), [
    { name: "nodemesh_control_agents_refused_total", labels: { reason: "no-token" }, value: 1 },
  ]);
  assert.equal(samples("nodemesh_control_lists")?.[0]?.value, 2);
  assert.equal(families.get("nodemesh_control_compile_duration_seconds")?.type, "histogram");
});

test("how each kind of the API is followed is shown, and what was never heard is not", async () => {
  const well = { resource: "nodes", objects: 3, lists: 1, failures: 0, trouble: undefined };
  const metrics = metricsOf([
    { ...well, heardMsAgo: 1500 },
    { ...well, resource: "pods", heardMsAgo: 90_000, failures: 7, trouble: "403" },
    { ...well, resource: "services", lists: 0, heardMsAgo: undefined },
  ]);
  const lines = (await metrics.registry.metrics()).split("\n");
  assert.deepEqual(
    lines.filter((line) => line.startsWith("nodemesh_control_api_")),
    [
      'nodemesh_control_api_silence_seconds{resource="nodes"} 1.5',
      'nodemesh_control_api_silence_seconds{resource="pods"} 90',
      'nodemesh_control_api_trouble{resource="nodes"} 0',
      'nodemesh_control_api_trouble{resource="pods"} 1',
      'nodemesh_control_api_trouble{resource="services"} 0',
    ],
  );
});
