/** A data worker as far as telemetry goes, for shared-counters.test.ts: counts, says so, and dies if asked to. */

import { parentPort, workerData } from "node:worker_threads";
import { WorkerMetrics } from "./worker-metrics.ts";

const { buffer, count, die } = workerData as {
  buffer: SharedArrayBuffer;
  count: number;
  die: boolean;
};
const metrics = new WorkerMetrics(buffer);
const requests = metrics.counter("retries", { dst_service: "shop/order", result: "sent" });
const sizes = metrics.histogram("httpRequestBytes", {
  reporter: "source",
  src_namespace: "shop",
  src_workload: "user",
  dst_namespace: "shop",
  dst_workload: "order",
  dst_service: "order",
  path: "proxy",
  security: "none",
});
for (let i = 0; i < count; i++) {
  requests.add(1);
  sizes.observe(i);
}
if (die) throw new Error("killed by the test");
parentPort?.postMessage("counted");
parentPort?.once("message", () => parentPort?.close());
