import assert from "node:assert/strict";
import { test } from "node:test";
import type { Course } from "./course.ts";
import { CourseMemory } from "./course-memory.ts";
import type { Plan } from "./plan.ts";

const VIP = { address: "10.96.1.1", port: 80 };

function course(revision: number, kind: "balanced" | "fixed", destination = VIP): Course {
  const nextHop = { kind } as Plan["nextHop"];
  const plan = { nextHop, destination, clientAddress: "10.0.0.1" } as Plan;
  const permit = {} as Course["permit"];
  return { permit, plan, target: {} as Course["target"], revision };
}

test("a course is found again by the same addresses and port, under its own revision only", () => {
  const memory = new CourseMemory();
  const kept = course(3, "balanced");
  memory.keep(kept);
  assert.equal(memory.find(3, "10.0.0.1", { ...VIP }), kept);
  assert.equal(memory.find(3, "10.0.0.2", VIP), undefined);
  assert.equal(memory.find(3, "10.0.0.1", { ...VIP, port: 81 }), undefined);
  assert.equal(memory.find(3, "10.0.0.1", { ...VIP, address: "10.96.1.2" }), undefined);
  assert.equal(memory.find(4, "10.0.0.1", VIP), undefined);
  memory.keep(course(4, "balanced", { ...VIP, port: 81 }));
  assert.equal(memory.find(4, "10.0.0.1", VIP), undefined);
  assert.equal(memory.find(3, "10.0.0.1", VIP), undefined);
});

test("a fixed next hop is not shared", () => {
  const memory = new CourseMemory();
  memory.keep(course(1, "fixed"));
  assert.equal(memory.find(1, "10.0.0.1", VIP), undefined);
});

test("the number of courses is bounded", () => {
  const memory = new CourseMemory();
  for (let port = 1; port <= 100; port++) memory.keep(course(1, "balanced", { ...VIP, port }));
  assert.notEqual(memory.find(1, "10.0.0.1", { ...VIP, port: 32 }), undefined);
  assert.equal(memory.find(1, "10.0.0.1", { ...VIP, port: 33 }), undefined);
});
