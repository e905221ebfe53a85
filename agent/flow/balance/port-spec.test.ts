import assert from "node:assert/strict";
import { test } from "node:test";
import { DEFAULT_BALANCE } from "#model/balance.ts";
import type { Endpoint, Service, ServicePort } from "#model/service.ts";
import { EndpointSet } from "./endpoint-set.ts";
import { portSpecOf } from "./port-spec.ts";
import { DEFAULT_BALANCE_SETTINGS } from "./settings.ts";
import { ANYONE, endpoint, mustPick, spread } from "./testing.ts";

function portOf(...endpoints: readonly Endpoint[]): ServicePort {
  return { name: "", port: 80, protocol: "http", endpoints };
}

function serviceOf(port: ServicePort): Service {
  const name = { namespace: "shop", name: "order" };
  return { ...name, addresses: ["10.96.0.1"], balance: DEFAULT_BALANCE, ports: [port] };
}

/** The set of a service port as an agent of `node` has it. */
function setOn(node: string, port: ServicePort): EndpointSet {
  return new EndpointSet(portSpecOf(serviceOf(port), port, node), {
    name: "shop/order:80",
    settings: DEFAULT_BALANCE_SETTINGS,
    clock: () => 0,
    random: Math.random,
  });
}

const LOCAL: ServicePort = portOf(
  { ...endpoint(1), onlyFrom: "a" },
  { ...endpoint(2), onlyFrom: "b" },
  { ...endpoint(3), onlyFrom: "b" },
  { ...endpoint(4), onlyFrom: "" },
);

test("endpoints for one node's pods are picked on that node only", () => {
  assert.deepEqual([...spread(setOn("a", LOCAL), 50).keys()], ["10.0.0.1"]);
  assert.deepEqual([...spread(setOn("b", LOCAL), 50).keys()].sort(), ["10.0.0.2", "10.0.0.3"]);
});

test("without one of its own node there is none, and the refusal says why", () => {
  const refusal = setOn("c", LOCAL).pick(ANYONE);
  assert.ok(refusal.kind === "refusal" && refusal.reason === "no-endpoints");
  assert.equal(
    refusal.detail,
    "shop/order:80: 0 known, none may be used, 4 more for other nodes only (internalTrafficPolicy Local)",
  );
});

test("a failing endpoint of the own node is no reason to leave it", () => {
  const set = setOn("a", LOCAL);
  for (let i = 0; i < 10; i++) {
    const picked = mustPick(set);
    set.failed(picked, "connect");
    set.release(picked);
    assert.equal(picked.address, "10.0.0.1");
  }
});

test("other endpoints are everybody's", () => {
  const set = setOn("c", portOf(endpoint(1), endpoint(2)));
  assert.equal(spread(set, 50).size, 2);
});
