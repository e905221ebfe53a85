/** Pods that must not be reached past an agent: what denies is written before anything that can fail. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import { DEFAULT_ENROLMENT, type Enrolment } from "#model/enrolment.ts";
import { POD_CATCH, POD_FAIL_CLOSED, POD_PORTS_IN } from "../kernel/layout.gen.ts";
import type { EnrolledWorkload } from "./contents.ts";
import { dump, FakeKernel, FakeLocator, FakePlaces, FakeUsers } from "./fakes.ts";
import { PodRedirect } from "./pod.ts";

const UID = "a";

function workload(wishes: Partial<Enrolment>): EnrolledWorkload {
  return {
    uid: UID,
    name: "a",
    namespace: "n",
    owner: "a",
    serviceAccount: "s",
    node: "one",
    addresses: ["10.9.0.1"],
    ports: [],
    enrolment: { ...DEFAULT_ENROLMENT, ...wishes },
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

function flagsOf({ kernel }: ReturnType<typeof harness>): number {
  return kernel.tables.pods.get(5n)?.flags ?? 0;
}

/** The mesh's pod 5 refuses everything, also the ports that its owner excluded. */
function assertRefused(h: ReturnType<typeof harness>): void {
  const { kernel } = h;
  const flags = flagsOf(h);
  assert.equal(flags & (POD_CATCH | POD_FAIL_CLOSED | POD_PORTS_IN), POD_CATCH | POD_FAIL_CLOSED);
  assert.ok(kernel.attached.has(5n));
  assert.equal(kernel.listening.size, 0);
}

const CLOSED: readonly Partial<Enrolment>[] = [{ fail: "closed" }, { mtls: "strict" }];
const WITH_PORTS: Partial<Enrolment> = { excludeInboundPorts: [{ first: 1, last: 9 }] };
const SET_UP_FAILURES = {
  "its listeners": (h: ReturnType<typeof harness>) => {
    h.places.openFailure = "EMFILE";
  },
  "its rules": (h: ReturnType<typeof harness>) => {
    h.places.failure = "ENOSPC";
  },
  "its tables": (h: ReturnType<typeof harness>) => {
    const { set } = h.kernel.tables.excludedPorts;
    h.kernel.tables.excludedPorts.set = () => {
      h.kernel.tables.excludedPorts.set = set;
      throw new Error("ENOSPC");
    };
  },
};

for (const wishes of CLOSED)
  for (const [what, breakIt] of Object.entries(SET_UP_FAILURES))
    test(`a pod that must be refused is, when ${what} fail: ${JSON.stringify(wishes)}`, async () => {
      const h = harness();
      h.locator.move(UID, 5);
      breakIt(h);
      const enrolment = { ...WITH_PORTS, ...wishes };
      await h.pod.want(workload(enrolment));
      assert.equal(h.pod.state.kind, "failed");
      assertRefused(h);
      assert.equal(h.places.opened.size, 0);
      await h.pod.settle();
      assert.equal(h.pod.state.kind, "caught");
      assert.ok(flagsOf(h) & POD_PORTS_IN);
    });

test("a refused pod that is not wanted any more, or whose namespace is gone, leaves nothing", async () => {
  for (const end of ["unwanted", "gone"] as const) {
    const h = harness();
    h.locator.move(UID, 5);
    h.places.failure = "ENOSPC";
    await h.pod.want(workload({ ...WITH_PORTS, fail: "closed" }));
    assertRefused(h);
    if (end === "unwanted") await h.pod.want(undefined);
    else h.locator.move(UID, undefined);
    await turnOfLoop();
    await h.pod.settle();
    assert.equal(h.pod.state.kind, "out");
    assert.deepEqual(dump(h.kernel.tables), []);
    assert.equal(h.kernel.attached.size, 0);
    assert.equal(h.places.opened.size, 0);
  }
});

test("a strict pod is refused while it is set up, another one is left alone", async () => {
  for (const mtls of ["strict", "permissive"] as const) {
    const h = harness();
    const added = Promise.withResolvers<void>();
    h.users.added = () => added.promise;
    h.locator.move(UID, 5);
    const wanted = h.pod.want(workload({ mtls }));
    await turnOfLoop();
    if (mtls === "strict") assertRefused(h);
    else assert.equal(flagsOf(h) & POD_CATCH, 0);
    added.resolve();
    await wanted;
    assert.ok(flagsOf(h) & POD_CATCH && h.kernel.listening.size > 0);
  }
});
