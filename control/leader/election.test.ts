/** Elections over a lease in memory that breaks at will; test/cluster has them over a real API server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CoordinationV1Api, type KubeConfig, type V1LeaseSpec } from "@kubernetes/client-node";
import { ApiFront } from "../../test/support/api-front.ts";
import { type ObjectServer, ObjectStore, serveObjects } from "../../test/support/object-server.ts";
import { ApiCalls } from "../api-call.ts";
import { ApiEndpoint } from "../k8s/endpoint.ts";
import type { Timings } from "./decide.ts";
import { Election } from "./election.ts";

/** A call has a third of the deadline: long enough on a machine that runs much else. */
const TIMINGS = { leaseMs: 2000, renewDeadlineMs: 1200, retryMs: 60 };

const LEASE = "/apis/coordination.k8s.io/v1/namespaces/nodemesh/leases/nodemesh-control";

/** Takes part in the election, and notes what happens. */
class Candidate implements AsyncDisposable {
  readonly election: Election;
  readonly events: string[] = [];
  readonly state: { term: AbortSignal | undefined } = { term: undefined };

  constructor(name: string, config: KubeConfig, changed: () => void, timings: Timings = TIMINGS) {
    const note = (text: string): void => {
      this.events.push(text);
      changed();
    };
    this.election = new Election({
      api: config.makeApiClient(CoordinationV1Api),
      calls: new ApiCalls(new ApiEndpoint(config)),
      namespace: "nodemesh",
      identity: name,
      timings,
      random: () => 0,
      onLead: (signal) => {
        this.state.term = signal;
        note("leads");
      },
      onLost: (why) => note(`lost: ${why}`),
      onProblem: (problem) => note(`problem: ${problem}`),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.election[Symbol.asyncDispose]();
  }
}

interface Replica extends AsyncDisposable, Pick<Candidate, "election" | "events" | "state"> {
  readonly server: ObjectServer;
}

/** A candidate with a server of its own in front of the store. */
async function replica(name: string, store: ObjectStore, changed: () => void): Promise<Replica> {
  const server = await serveObjects(store);
  const { election, events, state } = new Candidate(name, server.config, changed);
  return {
    ...{ election, events, server, state },
    async [Symbol.asyncDispose]() {
      await election[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
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

test("a leader whose connections die silently goes on leading over new ones", async () => {
  const store = new ObjectStore();
  const changes = new Changes();
  store.before = changes.changed;
  await using server = await serveObjects(store);
  await using front = await ApiFront.open(server.config);
  // Long enough for TLS on a busy machine; a call has a third of the deadline.
  const timings = { leaseMs: 4000, renewDeadlineMs: 2400, retryMs: 60 };
  await using only = new Candidate("a", front.config, changes.changed, timings);
  await changes.until("a", () => only.election.leading);
  front.swallow();
  const before = store.requests.length;
  await changes.until("renewals", () => store.requests.length > before + 6);
  // The call that met the dead connection may fail; the next one is in time.
  assert.equal(only.state.term?.aborted, false);
  assert.ok(!only.events.some((event) => event.startsWith("lost")), only.events.join());
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
