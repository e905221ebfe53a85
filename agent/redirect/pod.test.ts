import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import fc from "fast-check";
import type { FailPolicy } from "#model/enrolment.ts";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { POD_CATCH } from "../kernel/layout.gen.ts";
import type { EnrolledWorkload } from "./contents.ts";
import { podContents } from "./contents.ts";
import { dump, FakeKernel, FakeLocator, FakePlaces, FakeUsers, fakeTables } from "./fakes.ts";
import { PodRedirect } from "./pod.ts";
import { writeChange } from "./writer.ts";

const UID = "a";

function workload(fail: FailPolicy = "open"): EnrolledWorkload {
  return {
    uid: UID,
    name: "a",
    namespace: "n",
    owner: "a",
    serviceAccount: "s",
    node: "one",
    addresses: ["10.9.0.1"],
    ports: [],
    enrolment: {
      ...DEFAULT_ENROLMENT,
      fail,
      excludeInboundPorts: fail === "open" ? [] : [{ first: 1, last: 9 }],
    },
  };
}

function harness() {
  const locator = new FakeLocator();
  const places = new FakePlaces();
  const kernel = new FakeKernel();
  const users = new FakeUsers();
  const pod = new PodRedirect(UID, { locator, places, kernel, users, adopted: new Map() });
  locator.onChange(() => void pod.settle());
  return { locator, places, kernel, users, pod };
}

/** Whether the kernel catches the pod's new connections. */
function isCaught({ kernel }: ReturnType<typeof harness>): boolean {
  return ((kernel.tables.pods.get(5n)?.flags ?? 0) & POD_CATCH) !== 0;
}

/** Lets every promise that can go on do so. */
async function quiet(pod: PodRedirect): Promise<void> {
  await turnOfLoop();
  await pod.settle();
}

function assertNothingLeft({ places, kernel }: ReturnType<typeof harness>): void {
  assert.equal(places.opened.size, 0);
  assert.equal(places.listeners.size, 0);
  assert.equal(kernel.attached.size, 0);
  assert.equal(kernel.listening.size, 0);
  assert.deepEqual(dump(kernel.tables), []);
}

test("a pod that can be found is caught as soon as it is wanted", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  assert.equal(h.pod.state.kind, "caught");
  assert.ok((h.kernel.tables.pods.get(5n)?.flags ?? 0) & POD_CATCH);
  assert.deepEqual(h.users.told, ["added a"]);
});

test("a pod that can't be found yet says why and follows by itself", async () => {
  const h = harness();
  await h.pod.want(workload());
  assert.deepEqual(h.pod.state, { kind: "out", why: "no-such-pod" });
  h.locator.move(UID, 5);
  await quiet(h.pod);
  assert.equal(h.pod.state.kind, "caught");
});

test("an un-enrolled pod is no longer caught, but its rules stay until its last connection ended", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload("closed"));
  await h.pod.want(undefined);
  assert.equal(h.pod.state.kind, "leaving");
  assert.equal((h.kernel.tables.pods.get(5n)?.flags ?? 0) & POD_CATCH, 0);
  assert.ok(h.places.turned.has(5n) && h.kernel.attached.has(5n));
  h.users.end(UID);
  await quiet(h.pod);
  assert.deepEqual(h.pod.state, { kind: "out", why: "not-enrolled" });
  assert.equal(h.places.turned.size, 0);
  assertNothingLeft(h);
});

test("a pod that comes back while leaving is caught again, with nothing made twice", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  await h.pod.want(undefined);
  await h.pod.want(workload());
  h.users.end(UID);
  await quiet(h.pod);
  assert.equal(h.pod.state.kind, "caught");
  assert.equal(h.places.opened.size, 1);
  assert.deepEqual(h.users.told, ["added a", "leaving a"]);
});

test("when the namespace goes, everything is let go at once, without touching it", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  h.locator.move(UID, undefined);
  await quiet(h.pod);
  assert.deepEqual(h.pod.state, { kind: "out", why: "no-such-pod" });
  assert.deepEqual(h.users.told, ["added a", "removed a"]);
  assertNothingLeft(h);
});

test("another namespace at the same place is another pod to catch", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  h.locator.move(UID, 6);
  await quiet(h.pod);
  assert.deepEqual([...h.kernel.attached], [6n]);
  assert.equal(h.places.opened.size, 1);
});

test("a pod stays where it is while that is one of its namespaces", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  h.locator.move(UID, 6, 5);
  await quiet(h.pod);
  assert.deepEqual(h.users.told, ["added a"]);
  h.locator.move(UID, 6);
  await quiet(h.pod);
  assert.deepEqual([...h.kernel.attached], [6n]);
});

test("a set-up that fails leaves nothing behind and is tried again", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const h = harness();
  h.locator.move(UID, 5);
  h.places.failure = "no route today";
  h.locator.forgotten.length = 0;
  await h.pod.want(workload());
  assert.deepEqual(h.pod.state, {
    kind: "failed",
    detail: "no route today",
    isRefused: false,
  });
  assert.deepEqual(h.locator.forgotten, [UID]);
  assertNothingLeft(h);
  t.mock.timers.tick(1000);
  await h.pod.settle();
  assert.equal(h.pod.state.kind, "caught");
});

/** From now on every set-up fails; the number of tries so far. */
function failAlways({ places }: ReturnType<typeof harness>): () => number {
  let tries = 0;
  places.turn = () => {
    tries++;
    throw new Error("no route ever");
  };
  return () => tries;
}

test("a pod that fails is tried again by one timer, however many snapshots and events come", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const h = harness();
  h.locator.move(UID, 5);
  const tries = failAlways(h);
  await h.pod.want(workload());
  for (let snapshot = 0; snapshot < 200; snapshot++) await h.pod.want(workload());
  assert.equal(tries(), 1);
  for (let event = 0; event < 9; event++) await h.pod.settle();
  assert.equal(tries(), 10);
  for (let second = 1; second <= 20; second++) {
    t.mock.timers.tick(1000);
    await turnOfLoop();
    assert.equal(tries(), 10 + second);
  }
});

test("a failed pod whose workload changes is tried at once, and one that is not wanted no more", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const h = harness();
  h.locator.move(UID, 5);
  const tries = failAlways(h);
  await h.pod.want(workload());
  await h.pod.want(workload("closed"));
  assert.equal(tries(), 2);
  await h.pod.expel();
  assert.deepEqual(h.pod.state, { kind: "out", why: "not-enrolled" });
  t.mock.timers.tick(10_000);
  await turnOfLoop();
  assert.equal(tries(), 2);
});

test("expelling does not wait for connections", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  await h.pod.expel();
  assert.equal(h.pod.state.kind, "out");
  assert.equal(h.places.turned.size, 0);
  assertNothingLeft(h);
});

test("closing lets go of descriptors and leaves the kernel's side to mesh/fail", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  h.pod.close();
  assert.equal(h.places.opened.size, 0);
  assert.ok(h.kernel.attached.has(5n));
  assert.ok((h.kernel.tables.pods.get(5n)?.flags ?? 0) & POD_CATCH);
});

type Harness = ReturnType<typeof harness>;

/** Each happening acts on the pod and returns what is wanted from now on. */
const HAPPENINGS: Record<string, (h: Harness) => void> = {
  "appears as 5": (h) => h.locator.move(UID, 5),
  "appears as 6": (h) => h.locator.move(UID, 6),
  "goes away": (h) => h.locator.move(UID, undefined),
  "has no connection left": (h) => h.users.end(UID),
  "is looked at": (h) => void h.pod.settle(),
};

const WISHES: Record<string, EnrolledWorkload | undefined> = {
  "is enrolled": workload("open"),
  "is enrolled, closed": workload("closed"),
  "is un-enrolled": undefined,
};

const happening = fc.constantFrom(...Object.keys(HAPPENINGS), ...Object.keys(WISHES));

/** Lets it all happen, pausing where the test says so, and returns what was wanted last. */
async function live(h: Harness, events: readonly (readonly [string, boolean])[]) {
  let wanted: EnrolledWorkload | undefined;
  for (const [name, pause] of events) {
    HAPPENINGS[name]?.(h);
    if (name in WISHES) {
      wanted = WISHES[name];
      void h.pod.want(wanted);
    }
    if (pause) await quiet(h.pod);
  }
  return wanted;
}

function assertAgrees(h: Harness, wanted: EnrolledWorkload | undefined): void {
  const located = h.locator.locate(UID);
  if (wanted === undefined || located.kind === "absent") {
    assertNothingLeft(h);
    return;
  }
  const cookie = BigInt(located.namespaces[0]?.inode ?? 0);
  assert.equal(h.pod.state.kind, "caught");
  assert.deepEqual([...h.kernel.attached], [cookie]);
  assert.equal(h.places.opened.size, 1);
  const expected = fakeTables();
  writeChange(expected, { from: undefined, to: podContents(wanted, cookie) });
  assert.deepEqual(dump(h.kernel.tables), dump(expected));
}

test("after any sequence of events, however close together, kernel and wish agree", async () => {
  const lives = fc.array(fc.tuple(happening, fc.boolean()), { maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(lives, async (events) => {
      const h = harness();
      const wanted = await live(h, events);
      await quiet(h.pod);
      h.users.end(UID);
      await quiet(h.pod);
      await quiet(h.pod);
      assertAgrees(h, wanted);
    }),
    { numRuns: 500 },
  );
});

/** An application asks for the port of the agent's listeners. */
function wantPort({ kernel }: ReturnType<typeof harness>): void {
  const { listeningStates } = kernel.maps;
  const state = listeningStates.get(5n);
  assert.ok(state !== undefined);
  listeningStates.set(5n, { ...state, wanted: state.wanted + 1 });
}

test("listeners whose port is wanted move once, and the former ones are closed after", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  const [former] = h.places.listeners;
  wantPort(h);
  for (const nowMs of [0, 200]) {
    h.pod.review(nowMs);
    await h.pod.settle();
  }
  const [next] = h.places.listeners;
  assert.deepEqual([h.places.listeners.size, next === former], [1, false]);
  assert.deepEqual(h.users.told, ["added a", `moved a to ${next}`]);
  assert.deepEqual([h.kernel.listening.get(5n), isCaught(h)], [next, true]);
  assert.equal(h.kernel.tables.pods.get(5n)?.listenerPort, 1);
});

test("a pod whose move the workers refuse is set up anew, without a listener left over", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  h.users.refusal = "no";
  wantPort(h);
  h.pod.review(0);
  await h.pod.settle();
  const told = h.users.told.map((line) => line.split(" ")[0]);
  assert.deepEqual(told, ["added", "moved", "removed", "added"]);
  assert.deepEqual([isCaught(h), h.places.opened.size, h.places.listeners.size], [true, 1, 1]);
});

test("a released pod gets nothing new, keeps its place, and leaves it to its own end", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload());
  h.pod.release();
  assert.equal(isCaught(h), false);
  // Connects that were marked before are on their way to it.
  assert.equal(h.kernel.listening.size, 1);
  assert.equal(h.places.opened.size, 1);
  await h.pod.want({ ...workload(), addresses: [] });
  assert.equal(isCaught(h), false);
  await h.pod.want(workload("closed"));
  assert.deepEqual([isCaught(h), h.kernel.listening.size], [true, 0]);
  await h.pod.expel();
  assertNothingLeft(h);
});

test("a released pod with mesh/fail=closed is refused: caught, with nobody there", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  await h.pod.want(workload("closed"));
  assert.deepEqual([isCaught(h), h.kernel.listening.size], [true, 1]);
  h.pod.release();
  assert.deepEqual([isCaught(h), h.kernel.listening.size], [true, 0]);
});

test("a pod that is released before it is caught never is", async () => {
  const h = harness();
  h.locator.move(UID, 5);
  h.pod.release();
  await h.pod.want(workload());
  assertNothingLeft(h);
});
