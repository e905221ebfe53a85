/** Elections over a lease in memory that breaks at will; test/cluster has them over a real API server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoordinationV1Api, type V1LeaseSpec } from "@kubernetes/client-node";
import { type ObjectServer, ObjectStore, serveObjects } from "../../test/support/object-server.ts";
import { ApiCalls } from "../api-call.ts";
import { Election } from "./election.ts";

const TIMINGS = { leaseMs: 1000, renewDeadlineMs: 400, retryMs: 60 };

const LEASE = "/apis/coordination.k8s.io/v1/namespaces/nodemesh/leases/nodemesh-control";

interface Replica extends AsyncDisposable {
  readonly election: Election;
  readonly events: string[];
  readonly server: ObjectServer;
  readonly state: { term: AbortSignal | undefined };
}

async function replica(name: string, store: ObjectStore, changed: () => void): Promise<Replica> {
  const served = await serveObjects(store);
  const state: { term: AbortSignal | undefined } = { term: undefined };
  const events: string[] = [];
  const note = (text: string): void => {
    events.push(text);
    changed();
  };
  const election = new Election({
    api: served.config.makeApiClient(CoordinationV1Api),
    calls: new ApiCalls(),
    namespace: "nodemesh",
    identity: name,
    timings: TIMINGS,
    random: () => 0,
    onLead: (signal) => {
      state.term = signal;
      note("leads");
    },
    onLost: (why) => note(`lost: ${why}`),
    onProblem: (problem) => note(`problem: ${problem}`),
  });
  return {
    election,
    events,
    server: served,
    state,
    async [Symbol.asyncDispose]() {
      await election[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
    },
  };
}

function specOf(store: ObjectStore): V1LeaseSpec | undefined {
  return store.objects.get(LEASE)?.["spec"] as V1LeaseSpec | undefined;
}

class Changes {
  #wake = Promise.withResolvers<void>();

  readonly changed = (): void => {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  };

  /** Waits until it holds; at most five seconds. */
  async until(what: string, holds: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(5000);
    const late = new Promise<never>((_, reject) =>
      deadline.addEventListener("abort", () => reject(new Error(`waited in vain for ${what}`))),
    );
    late.catch(() => {});
    while (!holds()) await Promise.race([this.#wake.promise, late]);
  }
}

test("of two replicas one leads; when it leaves the other leads at once", async () => {
  const store = new ObjectStore();
  const changes = new Changes();
  const first = await replica("a", store, changes.changed);
  await changes.until("a", () => first.election.leading);
  await using second = await replica("b", store, changes.changed);
  const from = performance.now();
  await first[Symbol.asyncDispose]();
  assert.equal(first.state.term?.aborted, true);
  assert.equal(specOf(store)?.holderIdentity, "");
  await changes.until("b", () => second.election.leading);
  assert.ok(performance.now() - from < TIMINGS.leaseMs, "a released lease need not run out");
  assert.deepEqual(first.events, ["leads", "lost: control stops"]);
});

test("replicas that start together agree on one", async () => {
  const store = new ObjectStore();
  const changes = new Changes();
  await using stack = new AsyncDisposableStack();
  const all = await Promise.all(
    Array.from({ length: 5 }, (_, i) => replica(`r${i}`, store, changes.changed)),
  );
  for (const one of all) stack.use(one);
  const leaders = (): number => all.filter(({ election }) => election.leading).length;
  await changes.until("a leader", () => leaders() > 0);
  const before = store.requests.length;
  // Long enough for every replica to have looked again several times.
  await changes.until("renewals", () => {
    setTimeout(changes.changed, 20);
    return store.requests.length > before + 30;
  });
  assert.equal(leaders(), 1);
});

for (const fault of ["away", "hangs"] as const)
  test(`a leader whose API server ${fault} stops leading before another starts`, async () => {
    const store = new ObjectStore();
    const changes = new Changes();
    await using first = await replica("a", store, changes.changed);
    await changes.until("a", () => first.election.leading);
    await using second = await replica("b", store, changes.changed);
    first.server.fault = fault;
    await changes.until("the end of a's term", () => first.state.term?.aborted === true);
    assert.equal(second.election.leading, false);
    await changes.until("b", () => second.election.leading);
    assert.match(first.events.at(-1) ?? "", /lost: the lease could not be renewed in time/);
    assert.equal(specOf(store)?.leaseTransitions, 1);
    // Back again, it follows.
    first.server.fault = "none";
  });

test("a lease that somebody else took by force is lost", async () => {
  const store = new ObjectStore();
  const changes = new Changes();
  await using first = await replica("a", store, changes.changed);
  await changes.until("a", () => first.election.leading);
  store.put(LEASE, { spec: { ...specOf(store), holderIdentity: "z", leaseTransitions: 1 } });
  await changes.until("the loss", () => !first.election.leading);
  assert.equal(first.events.at(-1), "lost: z leads");
  assert.equal(first.election.holder, "z");
  await changes.until("a again, as z is silent", () => first.election.leading);
});

test("the same problem is told once", async () => {
  const store = new ObjectStore();
  const changes = new Changes();
  await using only = await replica("a", store, changes.changed);
  only.server.fault = "away";
  await changes.until("the problem", () => only.events.length > 0);
  only.server.fault = "none";
  await changes.until("a", () => only.election.leading);
  assert.deepEqual(
    only.events.filter((event) => event !== "leads"),
    only.events.includes("problem: 503: no quorum") ? ["problem: 503: no quorum"] : [],
  );
});
