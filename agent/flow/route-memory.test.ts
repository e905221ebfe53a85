import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan } from "./plan.ts";
import type { Route } from "./route.ts";
import { RouteMemory } from "./route-memory.ts";

const VIP = { address: "10.96.1.1", port: 80 };

function route(revision: number, kind: "balanced" | "fixed", destination = VIP): Route {
  const nextHop = { kind } as Plan["nextHop"];
  const plan = { nextHop, destination, clientAddress: "10.0.0.1" } as Plan;
  return { plan, target: {} as Route["target"], revision };
}

test("a route is found again by the same addresses and port, under its own revision only", () => {
  const memory = new RouteMemory();
  const kept = route(3, "balanced");
  memory.keep(kept);
  assert.equal(memory.find(3, "10.0.0.1", { ...VIP }), kept);
  assert.equal(memory.find(3, "10.0.0.2", VIP), undefined);
  assert.equal(memory.find(3, "10.0.0.1", { ...VIP, port: 81 }), undefined);
  assert.equal(memory.find(3, "10.0.0.1", { ...VIP, address: "10.96.1.2" }), undefined);
  assert.equal(memory.find(4, "10.0.0.1", VIP), undefined);
  memory.keep(route(4, "balanced", { ...VIP, port: 81 }));
  assert.equal(memory.find(4, "10.0.0.1", VIP), undefined);
  assert.equal(memory.find(3, "10.0.0.1", VIP), undefined);
});

test("a fixed next hop is not shared", () => {
  const memory = new RouteMemory();
  memory.keep(route(1, "fixed"));
  assert.equal(memory.find(1, "10.0.0.1", VIP), undefined);
});

test("the number of routes is bounded", () => {
  const memory = new RouteMemory();
  for (let port = 1; port <= 100; port++) memory.keep(route(1, "balanced", { ...VIP, port }));
  assert.notEqual(memory.find(1, "10.0.0.1", { ...VIP, port: 32 }), undefined);
  assert.equal(memory.find(1, "10.0.0.1", { ...VIP, port: 33 }), undefined);
});
