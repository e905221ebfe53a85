import assert from "node:assert/strict";
import { test } from "node:test";
import { changedServices } from "./endpoint-changes.ts";
import type { Endpoint, Service, ServicePort } from "./service.ts";

function endpoint(address: string, port = 8080, state: Endpoint["state"] = "ready"): Endpoint {
  return { address, port, state };
}

function servicePort(port: number, endpoints: readonly Endpoint[]): ServicePort {
  return { name: `p${port}`, port, protocol: "detect", endpoints };
}

const [A, B, C] = [endpoint("10.0.0.1"), endpoint("10.0.0.10"), endpoint("10.0.0.2")];
const ORDER: Service = {
  namespace: "shop",
  name: "order",
  addresses: ["10.96.0.1"],
  balance: { kind: "ewma" },
  ports: [servicePort(80, [A, B, C]), servicePort(81, [A])],
};
const SERVICES: ReadonlyMap<string, Service> = new Map([["shop/order", ORDER]]);
const NOTHING = { service: "shop/order", port: 80, upsert: [], remove: [] };

test("endpoints come, change and go in their order; the rest of the Service is as before", () => {
  const draining = endpoint("10.0.0.10", 8080, "draining");
  const [first, between, last] = [endpoint("10.0.0.1", 80), endpoint("10.0.0.11"), endpoint("9.1")];
  const upsert = [first, draining, between, last];
  const changed = changedServices(SERVICES, [{ ...NOTHING, upsert, remove: [A] }]);
  const service = changed?.get("shop/order");
  assert.deepEqual(service?.ports[0]?.endpoints, [first, draining, between, C, last]);
  assert.equal(service?.ports[1], ORDER.ports[1]);
  assert.deepEqual({ ...service, ports: [] }, { ...ORDER, ports: [] });
  assert.deepEqual(ORDER.ports[0]?.endpoints, [A, B, C], "the former one is as it was");
});

test("changes of several ports of a Service add up", () => {
  const changes = [
    { ...NOTHING, remove: [A, B, C] },
    { ...NOTHING, port: 81, upsert: [C] },
  ];
  const ports = changedServices(SERVICES, changes)?.get("shop/order")?.ports;
  assert.deepEqual(
    ports?.map(({ endpoints }) => endpoints),
    [[], [A, C]],
  );
});

test("a change of what is not there is for another snapshot", () => {
  for (const change of [
    { ...NOTHING, service: "shop/user" },
    { ...NOTHING, port: 8080 },
  ])
    assert.equal(changedServices(SERVICES, [NOTHING, change]), undefined);
});
