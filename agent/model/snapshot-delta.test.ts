import assert from "node:assert/strict";
import { test } from "node:test";
import type { Service } from "./service.ts";
import type { SnapshotDelta } from "./snapshot.ts";
import { EMPTY_SNAPSHOT } from "./snapshot.ts";
import { applyDelta } from "./snapshot-delta.ts";
import type { Workload } from "./workload.ts";

function workload(uid: string): Workload {
  const names = { name: uid, namespace: "shop", owner: uid, serviceAccount: "default" };
  return { uid, ...names, node: "n1", addresses: [], ports: [] };
}

function service(name: string): Service {
  return { namespace: "shop", name, addresses: [], balance: { kind: "ewma" }, ports: [] };
}

const NOTHING: Omit<SnapshotDelta, "base" | "version"> = {
  epoch: "e",
  upsertWorkloads: [],
  removeWorkloads: [],
  upsertServices: [],
  removeServices: [],
  changeEndpoints: [],
};
const [A, B, ORDER, USER] = [workload("a"), workload("b"), service("order"), service("user")];

test("a delta changes what it names; the map that it names nothing of is the same one", () => {
  const entries = { upsertWorkloads: [A, B], upsertServices: [ORDER] };
  const first = applyDelta(EMPTY_SNAPSHOT, { ...NOTHING, ...entries, base: "nothing", version: 1 });
  assert.ok(first);
  assert.deepEqual([...first.workloads.values(), ...first.services.values()], [A, B, ORDER]);
  const upsertServices = [USER];
  const removeServices = ["shop/order"];
  const second = applyDelta(first, {
    ...{ ...NOTHING, upsertServices, removeServices },
    ...{ base: 1, version: 2 },
  });
  assert.ok(second);
  assert.deepEqual([...second.services.values()], [USER]);
  assert.equal(second.workloads, first.workloads);
  assert.deepEqual([...first.services.values()], [ORDER], "the former one is as it was");
  const third = applyDelta(second, { ...NOTHING, removeWorkloads: ["a"], base: 2, version: 3 });
  assert.deepEqual([...(third?.workloads.keys() ?? [])], ["b"]);
  assert.equal(third?.services, second.services);
  assert.deepEqual([...second.workloads.keys()], ["a", "b"]);
});

test("from nothing means without anything of before", () => {
  const entries = { ...NOTHING, upsertWorkloads: [A], base: "nothing" as const, version: 1 };
  const before = applyDelta(EMPTY_SNAPSHOT, entries);
  assert.ok(before);
  const after = applyDelta(before, { ...NOTHING, base: "nothing", version: 2 });
  assert.deepEqual([after?.workloads.size, after?.services.size], [0, 0]);
});

test("changed endpoints of a Service that is not there are for another snapshot", () => {
  const entries = { ...NOTHING, upsertServices: [ORDER] };
  const before = applyDelta(EMPTY_SNAPSHOT, { ...entries, base: "nothing", version: 1 });
  assert.ok(before);
  const changeEndpoints = [{ service: "shop/user", port: 80, upsert: [], remove: [] }];
  const delta = { ...NOTHING, changeEndpoints, base: 1, version: 2 };
  assert.equal(applyDelta(before, delta), undefined);
  assert.equal(applyDelta(before, { ...delta, base: "nothing" }), undefined);
});
