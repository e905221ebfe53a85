import assert from "node:assert/strict";
import { test } from "node:test";
import type { Endpoint, Service, ServicePort } from "#model/service.ts";
import { changesOf, touchedBy } from "./touched.ts";

function endpoints(count: number, over: Partial<Endpoint> = {}): readonly Endpoint[] {
  return Array.from({ length: count }, (_, i) => ({
    address: `10.0.0.${i + 100}`,
    port: 8080,
    state: "ready",
    ...(i === 0 && over),
  }));
}

function service(ports: readonly Partial<ServicePort>[], over: Partial<Service> = {}): Service {
  return {
    namespace: "shop",
    name: "order",
    addresses: ["10.96.0.1"],
    balance: { kind: "consistent-hash", key: { kind: "header", name: "x-user" } },
    ports: ports.map((port) => ({
      ...{ name: "", port: 80, protocol: "detect", endpoints: [] },
      ...port,
    })),
    ...over,
  };
}

const BEFORE = service([{ endpoints: endpoints(20) }]);

test("the same words in other objects are no change", () => {
  assert.deepEqual(touchedBy(BEFORE, structuredClone(BEFORE)), []);
});

test("each field of an endpoint counts, and only its endpoint is told", () => {
  const fields: readonly Partial<Endpoint>[] = [
    { state: "draining" },
    { workload: "u1" },
    { onlyFrom: "n1" },
    { onlyFrom: "" },
  ];
  for (const over of fields) {
    const after = service([{ endpoints: endpoints(20, over) }]);
    const touched = touchedBy(BEFORE, after);
    assert.ok(touched !== "whole");
    const upsert = endpoints(1, over);
    assert.deepEqual(changesOf(after, touched), [
      { service: "shop/order", port: 80, upsert, remove: [] },
    ]);
    // And back again.
    assert.equal(touchedBy(after, BEFORE).length, 1);
  }
});

test("an endpoint on another port is another endpoint", () => {
  const after = service([{ endpoints: endpoints(20, { port: 8081 }) }]);
  const touched = touchedBy(BEFORE, after);
  assert.ok(touched !== "whole");
  assert.deepEqual(changesOf(after, touched), [
    {
      ...{ service: "shop/order", port: 80 },
      upsert: [{ address: "10.0.0.100", port: 8081, state: "ready" }],
      remove: [{ address: "10.0.0.100", port: 8080 }],
    },
  ]);
});

test("what is no change of endpoints is told whole", () => {
  const twice = { endpoints: endpoints(20) };
  const others: readonly (Service | undefined)[] = [
    undefined,
    service([{ endpoints: endpoints(20) }], { affinitySeconds: 10 }),
    service([{ endpoints: endpoints(20) }], { addresses: ["10.96.0.2"] }),
    service([{ endpoints: endpoints(20) }], { balance: { kind: "random" } }),
    service([{ endpoints: endpoints(20), protocol: "http" }]),
    service([{ endpoints: endpoints(20) }, { name: "more", port: 81 }]),
    service([twice, twice]),
  ];
  for (const other of others) {
    assert.equal(touchedBy(BEFORE, other), "whole");
    assert.equal(touchedBy(other, BEFORE), "whole");
  }
  assert.equal(touchedBy(service([twice, twice]), service([twice, twice])), "whole");
});

test("a Service is told whole when its changes are no shorter", () => {
  const after = service([{ endpoints: endpoints(20).map((e) => ({ ...e, state: "unready" })) }]);
  const touched = touchedBy(BEFORE, after);
  assert.ok(touched !== "whole");
  assert.equal(changesOf(after, touched), "whole");
  assert.notEqual(changesOf(after, touched.slice(1)), "whole");
  // Two versions that touched the same endpoint are one change.
  const often = Array.from({ length: 40 }, () => touched[0]).filter((one) => one !== undefined);
  assert.notEqual(changesOf(after, often), "whole");
});
