/** What counting costs: `bin/run bench/micro/counters.ts`. Base of the ratio: an addition to a plain variable of an object. */

import { Counter, Histogram, Registry } from "prom-client";
import { createBlock } from "../../agent/telemetry/block.ts";
import { Collector } from "../../agent/telemetry/collector.ts";
import { createLogRing, LogRingReader, LogRingWriter } from "../../agent/telemetry/log-ring.ts";
import { buildPage } from "../../agent/telemetry/registry.ts";
import { WorkerMetrics } from "../../agent/telemetry/worker-metrics.ts";
import { measure, type Subject, table } from "./measure.ts";

const LABELS = {
  reporter: "source",
  src_namespace: "shop",
  src_workload: "user",
  dst_namespace: "shop",
  dst_workload: "order",
  dst_service: "shop/order",
  path: "proxy",
  security: "none",
  protocol: "http",
  route: "",
} as const;

function repeat(name: string, work: (i: number) => void): Subject {
  return {
    name,
    run: (times) => {
      for (let i = 0; i < times; i++) work(i);
      return times;
    },
  };
}

const buffer = createBlock();
const metrics = new WorkerMetrics(buffer);
const plain = { value: 0 };
const counter = metrics.counter("httpRequests", { ...LABELS, code: "200" });
const duration = metrics.histogram("httpDuration", LABELS);
const registry = new Registry();
const labelNames = Object.keys(LABELS);
const config = { help: "bench", labelNames, registers: [registry] };
const promCounter = new Counter({ name: "bench_total", ...config });
const promHistogram = new Histogram({ name: "bench_seconds", ...config });
const ring = createLogRing(1 << 20);
const [writer, reader] = [new LogRingWriter(ring), new LogRingReader(ring)];
const line = JSON.stringify({ ...LABELS, code: 200, duration_ms: 1.25 });

const timings = measure(
  [
    repeat("plain addition", () => {
      plain.value += 1;
    }),
    repeat("shared counter", () => counter.add(1)),
    repeat("shared histogram, 1 ms", () => duration.observe(0.001)),
    repeat("shared histogram, 10 s", () => duration.observe(10)),
    repeat("finding a series by labels", () => {
      metrics.counter("httpRequests", { ...LABELS, code: "200" });
    }),
    repeat("access-log line into the ring", (i) => {
      writer.offer(line);
      if (i % 1_000 === 0) reader.take();
    }),
    repeat("prom-client counter", () => promCounter.inc(LABELS)),
    repeat("prom-client histogram", () => promHistogram.observe(LABELS, 0.001)),
  ],
  { times: 50_000 },
);
console.log(table(timings));

const collector = new Collector({ clock: () => 0 });
for (let worker = 0; worker < 2; worker++) {
  const block = createBlock();
  const own = new WorkerMetrics(block);
  for (let i = 0; i < 1_000; i++) {
    own.counter("httpRequests", { ...LABELS, route: String(i), code: "200" }).add(1);
    own.histogram("httpDuration", { ...LABELS, route: String(i) }).observe(0.01);
  }
  collector.attach(block);
}
const none = () => [];
const one = () => [{ labels: {}, value: 1 }];
const page = buildPage(collector, {
  ...{
    buildInfo: none,
    snapshotVersion: one,
    snapshotAge: one,
    certificateExpiry: none,
    kernelEvents: none,
  },
  ...{
    enrolledPods: one,
    failedPods: one,
    workers: one,
    workerRestarts: one,
    accessLogDropped: one,
    spansSent: one,
    spansDropped: one,
  },
});
/** Of a page, the main thread's CPU time in milliseconds: others may use the machine too. */
async function scrape(accept: string): Promise<{ readonly ms: number; readonly bytes: number }> {
  const from = process.threadCpuUsage();
  const { body } = await page.scrape({ accept, scraper: undefined });
  // As it is sent.
  const { length } = Buffer.from(body);
  const { user, system } = process.threadCpuUsage(from);
  return { ms: (user + system) / 1_000, bytes: length };
}

console.log("\na scrape of 2,000 series (half of them histograms) of two workers:");
for (const accept of ["text/plain", "application/openmetrics-text"]) {
  const took: number[] = [];
  let size = 0;
  for (let i = 0; i < 40; i++) {
    const { ms, bytes } = await scrape(accept);
    took.push(ms);
    size = bytes;
  }
  // The first ones are the compiler's.
  const warm = took.slice(10).sort((a, b) => a - b);
  console.log(
    `${accept}: ${warm[15]?.toFixed(1)} ms (${warm[0]?.toFixed(1)}–${warm.at(-1)?.toFixed(1)}), ${(size / 1e6).toFixed(1)} MB`,
  );
}
