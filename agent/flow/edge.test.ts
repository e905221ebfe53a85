import assert from "node:assert/strict";
import { test } from "node:test";
import { createBlock } from "../telemetry/block.ts";
import { Collector } from "../telemetry/collector.ts";
import { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import { Edge } from "./edge.ts";
import type { EdgeLabels } from "./labels.ts";
import type { RequestOutcome } from "./record.ts";

function labels(namespace: string, client: string, service: string): EdgeLabels {
  return {
    reporter: "source",
    src_namespace: namespace,
    src_workload: client,
    dst_namespace: namespace,
    dst_workload: service,
    dst_service: `${namespace}/${service}`,
    path: "proxy",
    security: "none",
  };
}

/** Of an outcome what an edge reads. */
function outcome(status: number): RequestOutcome {
  const sizes = { requestBytes: 0, responseBytes: 0, sentBytes: 1, receivedBytes: 1 };
  const rest = { durationMs: 1, protocol: "http/1.1", refusal: undefined } as const;
  return { status, ...sizes, ...rest } as RequestOutcome;
}

function rig() {
  const buffer = createBlock();
  const collector = new Collector({ clock: () => 0 });
  collector.attach(buffer);
  const metrics = new WorkerMetrics(buffer);
  const requests = (client: string): Readonly<Record<string, number>> =>
    Object.fromEntries(
      (collector.collect().get("httpRequests") ?? [])
        .filter((one) => one.labels["src_workload"] === client)
        .map((one) => [one.labels["code"] ?? "", one.values[0] ?? 0]),
    );
  return { metrics, requests, collector };
}

test("codes that HTTP does not know are one value, and none of them is lost", () => {
  const { metrics, requests } = rig();
  const edge = new Edge(metrics, labels("a", "user", "s"));
  for (const status of [0, 99, 100, 200, 200, 599, 600, 999]) edge.request(outcome(status));
  assert.deepEqual(requests("user"), { none: 1, 100: 1, 200: 2, 599: 1, other: 3 });
});

test("a server of hundreds of codes has series for some of them", () => {
  const { metrics, requests } = rig();
  const edge = new Edge(metrics, labels("a", "user", "s"));
  for (let round = 0; round < 2; round++)
    for (let status = 200; status < 600; status++) edge.request(outcome(status));
  const counted = requests("user");
  assert.equal(Object.keys(counted).length, 33);
  assert.equal(
    Object.values(counted).reduce((sum, one) => sum + one, 0),
    800,
  );
});

test("neither many Services, codes nor workloads of one tenant take the series of another's", () => {
  const { metrics, requests, collector } = rig();
  for (let client = 0; client < 40; client++)
    for (let service = 0; service < 20; service++) {
      const edge = new Edge(metrics, labels("bad", `w${client}`, `s${service}`));
      edge.opened();
      for (let status = 200; status < 600; status += 10) edge.request(outcome(status));
    }
  const good = new Edge(metrics, labels("good", "user", "order"));
  for (let i = 0; i < 3; i++) good.request(outcome(200));
  assert.deepEqual(requests("user"), { 200: 3 });
  const durations = collector.collect().get("httpDuration") ?? [];
  assert.ok(durations.some((one) => one.labels["src_workload"] === "user"));
  assert.ok((requests("overflow")["overflow"] ?? 0) > 0);
});
