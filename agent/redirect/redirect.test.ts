import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import fc from "fast-check";
import type { Enrolment } from "#model/enrolment.ts";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import type { Snapshot } from "#model/snapshot.ts";
import { EMPTY_SNAPSHOT } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";
import { until } from "../../test/support/until.ts";
import { type EnrolledWorkload, enrolledOn, podContents } from "./contents.ts";
import { dump, FakeKernel, FakeLocator, FakePlaces, FakeUsers, fakeTables } from "./fakes.ts";
import { Redirect } from "./redirect.ts";
import { writeChange } from "./writer.ts";

const NODE = "one";

function workload(number: number, wishes: Partial<Enrolment> | undefined, node = NODE): Workload {
  const base = {
    uid: `pod-${number}`,
    name: `pod-${number}`,
    namespace: "n",
    owner: "o",
    serviceAccount: "s",
    node,
    addresses: [`10.9.0.${number}`],
    ports: [],
  };
  return wishes ? { ...base, enrolment: { ...DEFAULT_ENROLMENT, ...wishes } } : base;
}

function snapshotOf(workloads: readonly Workload[]): Snapshot {
  return { ...EMPTY_SNAPSHOT, workloads: new Map(workloads.map((w) => [w.uid, w])) };
}

function enrolled(workload: Workload): EnrolledWorkload {
  return { ...workload, enrolment: workload.enrolment ?? DEFAULT_ENROLMENT };
}

/** Pod number n lives in namespace n. */
function harness(kernel = new FakeKernel()) {
  const locator = new FakeLocator();
  for (const number of [1, 2, 3]) locator.move(`pod-${number}`, number);
  const places = new FakePlaces();
  const users = new FakeUsers();
  const redirect = new Redirect({ node: NODE, workers: 1, locator, kernel, users, places });
  return { locator, places, kernel, users, redirect };
}

test("only pods of this node are caught, and the workers hear of each once", async () => {
  const { redirect, users, kernel } = harness();
  const snapshot = snapshotOf([workload(1, {}), workload(2, {}, "two"), workload(3, undefined)]);
  await redirect.apply(snapshot);
  await redirect.apply(snapshot);
  assert.deepEqual(users.told, ["added pod-1"]);
  assert.deepEqual([...kernel.attached], [1n]);
  assert.deepEqual(redirect.status(), [{ uid: "pod-1", state: "caught", detail: "" }]);
  assert.deepEqual(
    redirect.caught().map(({ uid }) => uid),
    ["pod-1"],
  );
});

test("a pod that can't be found is named with its reason, and caught when it appears", async () => {
  const { redirect, locator } = harness();
  locator.move("pod-1", undefined);
  await redirect.apply(snapshotOf([workload(1, {})]));
  assert.deepEqual(redirect.status(), [{ uid: "pod-1", state: "out", detail: "no-such-pod" }]);
  locator.move("pod-1", 1);
  await turnOfLoop();
  assert.equal(redirect.status()[0]?.state, "caught");
});

test("a pod whose address the API does not know yet is caught, and set up anew when it says another", async () => {
  const { redirect, users, places, kernel } = harness();
  places.own = ["10.9.0.1"];
  const early = { ...workload(1, {}), addresses: [] };
  await redirect.apply(snapshotOf([early]));
  assert.deepEqual(redirect.caught()[0]?.addresses, ["10.9.0.1"]);
  const known = podContents(enrolled(workload(1, {})), 1n);
  assert.deepEqual([...kernel.tables.pods.entries()], [[1n, known.pod]]);

  await redirect.apply(snapshotOf([workload(1, {})]));
  assert.deepEqual(users.told, ["added pod-1"]);
  await redirect.apply(snapshotOf([{ ...workload(1, {}), addresses: ["10.9.0.9"] }]));
  assert.deepEqual(users.told, ["added pod-1", "removed pod-1", "added pod-1"]);
  assert.deepEqual(redirect.caught()[0]?.addresses, ["10.9.0.9"]);
});

test("a static pod is found by the uid its node knows, also when its mirror is made anew", async () => {
  const { redirect, locator, users, kernel } = harness();
  locator.move("hash", 7);
  const mirror = (number: number) => ({ ...workload(number, {}), sandboxUid: "hash" });
  await redirect.apply(snapshotOf([mirror(8)]));
  await redirect.apply(snapshotOf([mirror(9)]));
  assert.deepEqual(users.told, ["added pod-8", "leaving pod-8", "removed pod-8", "added pod-9"]);
  assert.deepEqual([...kernel.attached], [7n]);
  assert.deepEqual([...kernel.tables.pods.entries()].length, 1);
  locator.move("hash", undefined);
  await turnOfLoop();
  assert.deepEqual(redirect.status(), [{ uid: "pod-9", state: "out", detail: "no-such-pod" }]);
});

test("a pod whose connections do not end holds up nobody's configuration, and follows by itself", async () => {
  const { redirect, locator, users, kernel } = harness();
  locator.move("hash", 7);
  const mirror = { ...workload(8, {}), sandboxUid: "hash" };
  await redirect.apply(snapshotOf([workload(1, {}), mirror]));
  const end = Promise.withResolvers<void>();
  for (const uid of ["pod-1", "pod-8"]) users.stuck.set(uid, end.promise);
  locator.move("pod-1", undefined);
  const anew = { ...workload(9, {}), sandboxUid: "hash" };
  await redirect.apply(snapshotOf([workload(1, {}), workload(2, {}), anew]));
  assert.ok(redirect.caught().some(({ uid }) => uid === "pod-2"));
  await redirect.apply(snapshotOf([workload(2, {}), workload(3, {}), anew]));
  assert.ok(redirect.caught().some(({ uid }) => uid === "pod-3"));
  assert.ok(!users.told.includes("added pod-9"), "one owner of a namespace at a time");

  end.resolve();
  await until("the others follow", () => {
    const caught = redirect.caught().map(({ uid }) => uid);
    return caught.sort().join() === "pod-2,pod-3,pod-9";
  });
  assert.deepEqual([...kernel.attached].sort(), [2n, 3n, 7n]);
});

test("a pod that is not wanted any more is forgotten by the locator", async () => {
  const { redirect, locator } = harness();
  locator.move("pod-1", undefined);
  await redirect.apply(snapshotOf([workload(1, {})]));
  assert.deepEqual(locator.forgotten, []);
  await redirect.apply(snapshotOf([]));
  assert.deepEqual(locator.forgotten, ["pod-1"]);
});

test("a left-over pod whose process dies while it is looked at holds up nobody", async () => {
  const kernel = new FakeKernel();
  kernel.attachPod(1n);
  // The fake's paths lead nowhere, as those of processes that are gone.
  const { redirect } = harness(kernel);
  await redirect.apply(snapshotOf([workload(1, undefined), workload(2, {})]));
  assert.deepEqual(redirect.status(), [{ uid: "pod-2", state: "caught", detail: "" }]);
  assert.equal(await redirect.leave(), false);
});

test("uninstalling waits for no connection and leaves nothing", async () => {
  const { redirect, places, kernel } = harness();
  await redirect.apply(snapshotOf([workload(1, {}), workload(2, { fail: "closed" })]));
  await redirect.uninstall();
  assert.equal(places.opened.size + places.turned.size + kernel.attached.size, 0);
  assert.deepEqual(dump(kernel.tables), []);
});

test("an agent that ends closes every descriptor and leaves the tables as they are", async () => {
  const { redirect, places, kernel } = harness();
  await redirect.apply(snapshotOf([workload(1, {}), workload(2, {})]));
  const tables = dump(kernel.tables);
  redirect[Symbol.dispose]();
  assert.equal(places.opened.size, 0);
  assert.deepEqual(dump(kernel.tables), tables);
});

const wishes = fc.option(
  fc.record({
    fail: fc.constantFrom("open", "closed"),
    excludeOutboundPorts: fc.array(fc.constantFrom({ first: 80, last: 90 }, { first: 1, last: 9 })),
    excludeOutboundCidrs: fc.array(fc.constantFrom("10.0.0.0/8", "fd00::/8")),
  }),
  { nil: undefined },
);
const snapshots = fc.array(
  fc.tuple(wishes, wishes, wishes).map((all) => snapshotOf(all.map((w, i) => workload(i + 1, w)))),
  { minLength: 1, maxLength: 8 },
);

/** What the tables must hold once every leaving pod has left. */
function compiled(snapshot: Snapshot): string[] {
  const tables = fakeTables();
  for (const pod of enrolledOn(NODE, snapshot).values())
    writeChange(tables, { from: undefined, to: podContents(pod, BigInt(pod.uid.slice(-1))) });
  return dump(tables);
}

test("after any sequence of snapshots the maps equal the compile of the last", async () => {
  await fc.assert(
    fc.asyncProperty(snapshots, async (sequence) => {
      const { redirect, users, kernel } = harness();
      // Not awaited one by one: a snapshot may overtake the one before.
      await Promise.all(sequence.map((snapshot) => redirect.apply(snapshot)));
      for (const number of [1, 2, 3]) users.end(`pod-${number}`);
      await turnOfLoop();
      await turnOfLoop();
      assert.deepEqual(dump(kernel.tables), compiled(sequence.at(-1) ?? EMPTY_SNAPSHOT));
    }),
    { numRuns: 200 },
  );
});
