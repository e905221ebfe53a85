import assert from "node:assert/strict";
import { test } from "node:test";
import type { SnapshotDelta } from "#model/snapshot.ts";
import { EMPTY_SNAPSHOT } from "#model/snapshot.ts";
import { SnapshotStore } from "./store.ts";

const FULL: SnapshotDelta = {
  epoch: "e",
  base: "nothing",
  version: 1,
  upsertWorkloads: [],
  removeWorkloads: [],
  upsertServices: [
    { namespace: "shop", name: "order", addresses: [], balance: { kind: "ewma" }, ports: [] },
  ],
  removeServices: [],
  changeEndpoints: [],
};

test("subscribers see every swap with its delta, until they leave", () => {
  const store = new SnapshotStore(() => 5);
  const seen: unknown[] = [];
  const leave = store.subscribe((snapshot, delta) => seen.push([snapshot.version, delta.base]));
  store.apply(FULL);
  store.apply({ ...FULL, base: 1, version: 3, upsertServices: [], removeServices: ["shop/order"] });
  leave();
  store.apply({ ...FULL, base: 3, version: 4 });
  assert.deepEqual(seen, [
    [1, "nothing"],
    [3, 1],
  ]);
  assert.deepEqual([...store.current.services.keys()], ["shop/order"]);
});

test("a delta for another version or epoch is refused and changes nothing", () => {
  const store = new SnapshotStore(() => 5);
  store.apply(FULL);
  const before = store.current;
  assert.deepEqual(store.apply({ ...FULL, base: 2, version: 3 }), { kind: "other-base" });
  assert.deepEqual(store.apply({ ...FULL, epoch: "f", base: 1, version: 2 }), {
    kind: "other-base",
  });
  assert.equal(store.current, before);
});

test("what is not touched by a delta keeps its identity", () => {
  const store = new SnapshotStore(() => 5);
  store.apply(FULL);
  const order = store.current.services.get("shop/order");
  store.apply({ ...FULL, base: 1, version: 2, upsertServices: [] });
  assert.equal(store.current.services.get("shop/order"), order);
});

test("at first nothing is known and nothing is confirmed", () => {
  const store = new SnapshotStore(() => 5);
  assert.equal(store.current, EMPTY_SNAPSHOT);
  assert.equal(store.confirmedAt, undefined);
  store.apply(FULL);
  assert.equal(store.confirmedAt, 5);
});

test("the age counts from the last confirmation, before the first from the start, and is never negative", () => {
  let now = 1000;
  const store = new SnapshotStore(() => now);
  store.restore({ ...EMPTY_SNAPSHOT, epoch: "e", version: 7 });
  now = 1400;
  assert.equal(store.age, 400);
  store.confirm();
  assert.equal(store.age, 0);
  now = 1900;
  assert.equal(store.age, 500);
  now = 100;
  assert.equal(store.age, 0);
});
