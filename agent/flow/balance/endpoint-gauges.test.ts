import assert from "node:assert/strict";
import { test } from "node:test";
import { createBlock } from "../../telemetry/block.ts";
import { Collector } from "../../telemetry/collector.ts";
import { WorkerMetrics } from "../../telemetry/worker-metrics.ts";
import { EndpointGauges } from "./endpoint-gauges.ts";
import { ejectByConnect, endpoint, find, rig } from "./testing.ts";

function shelf() {
  const buffer = createBlock();
  const collector = new Collector({ clock: () => 0 });
  collector.attach(buffer);
  const shown = () => {
    const samples = collector.collect().get("endpointState") ?? [];
    return Object.fromEntries(
      samples.map((one) => [Object.values(one.labels).join(" "), one.values[0]]),
    );
  };
  return { gauges: new EndpointGauges(new WorkerMetrics(buffer)), shown };
}

test("endpoints are shown by state, and no longer when their port is gone", () => {
  const { gauges, shown } = shelf();
  const { set } = rig({
    endpoints: [endpoint(1), endpoint(2), endpoint(3, "draining"), endpoint(4, "unready")],
  });
  const service = { namespace: "shop", name: "order" };
  const placed = { service, port: { port: 80 }, state: set };
  ejectByConnect(set, find(set, 2));
  gauges.update([placed]);
  assert.deepEqual(shown(), {
    "shop/order 80 ready": 1,
    "shop/order 80 draining": 1,
    "shop/order 80 unready": 1,
    "shop/order 80 ejected": 1,
  });
  gauges.update([]);
  assert.deepEqual(shown(), {});
  gauges.update([placed]);
  assert.equal(shown()["shop/order 80 ejected"], 1);
});

test("both address families of a service port are counted together", () => {
  const { gauges, shown } = shelf();
  const service = { namespace: "shop", name: "order" };
  const placed = [[endpoint(1), endpoint(2)], [endpoint(3, "draining")]].map((endpoints) => ({
    service,
    port: { port: 80 },
    state: rig({ endpoints }).set,
  }));
  gauges.update(placed);
  assert.equal(shown()["shop/order 80 ready"], 2);
  assert.equal(shown()["shop/order 80 draining"], 1);
  gauges.update(placed.slice(1));
  assert.equal(shown()["shop/order 80 ready"], 0);
});
