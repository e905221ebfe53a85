/** Elections over a lease in memory that breaks at will; test/cluster has them over a real API server. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { CoordinationV1Api, KubeConfig, type V1Lease } from "@kubernetes/client-node";
import { ApiCalls } from "../api-call.ts";
import { Election } from "./election.ts";

const TIMINGS = { leaseMs: 1000, renewDeadlineMs: 400, retryMs: 60 };

type Fault = "none" | "away" | "hangs";

/** One lease with the API server's rules on names and versions, over real sockets. */
class LeaseInMemory {
  lease: V1Lease | undefined;
  #version = 0;
  writes = 0;

  /** One replica's way to it, which can break by itself. */
  async serve(fault: () => Fault): Promise<AsyncDisposable & { readonly api: CoordinationV1Api }> {
    const server = createServer((request, response) => {
      void textOf(request).then((body) => {
        if (fault() === "hangs") return;
        const [code, answer] =
          fault() === "away" ? [503, { message: "no quorum" }] : this.answer(request.method, body);
        response.writeHead(code, { "content-type": "application/json" });
        response.end(JSON.stringify(answer));
      });
    });
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    const { port } = server.address() as AddressInfo;
    const config = new KubeConfig();
    const cluster = { name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true };
    config.loadFromClusterAndUser(cluster, { name: "u" });
    return {
      api: config.makeApiClient(CoordinationV1Api),
      async [Symbol.asyncDispose]() {
        const closed = Promise.withResolvers<void>();
        server.close(() => closed.resolve());
        server.closeAllConnections();
        await closed.promise;
      },
    };
  }

  answer(method: string | undefined, body: string): readonly [number, unknown] {
    if (method === "GET") return this.lease === undefined ? [404, {}] : [200, this.lease];
    // The test's own client wrote it.
    const wanted = JSON.parse(body) as V1Lease;
    const version = wanted.metadata?.resourceVersion;
    const fits = method === "POST" ? this.lease === undefined : version === `${this.#version}`;
    if (!fits) return [409, {}];
    this.writes++;
    const metadata = { ...wanted.metadata, resourceVersion: `${++this.#version}` };
    this.lease = { ...wanted, metadata };
    return [200, this.lease];
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

interface Replica extends AsyncDisposable {
  readonly election: Election;
  readonly events: string[];
  readonly state: { fault: Fault; term: AbortSignal | undefined };
}

async function replica(name: string, store: LeaseInMemory, changed: () => void): Promise<Replica> {
  const state: { fault: Fault; term: AbortSignal | undefined } = { fault: "none", term: undefined };
  const served = await store.serve(() => state.fault);
  const events: string[] = [];
  const note = (text: string): void => {
    events.push(text);
    changed();
  };
  const election = new Election({
    api: served.api,
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
    state,
    async [Symbol.asyncDispose]() {
      await election[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
    },
  };
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
  const store = new LeaseInMemory();
  const changes = new Changes();
  const first = await replica("a", store, changes.changed);
  await changes.until("a", () => first.election.leading);
  await using second = await replica("b", store, changes.changed);
  const from = performance.now();
  await first[Symbol.asyncDispose]();
  assert.equal(first.state.term?.aborted, true);
  assert.equal(store.lease?.spec?.holderIdentity, "");
  await changes.until("b", () => second.election.leading);
  assert.ok(performance.now() - from < TIMINGS.leaseMs, "a released lease need not run out");
  assert.deepEqual(first.events, ["leads", "lost: control stops"]);
});

test("replicas that start together agree on one", async () => {
  const store = new LeaseInMemory();
  const changes = new Changes();
  await using stack = new AsyncDisposableStack();
  const all = await Promise.all(
    Array.from({ length: 5 }, (_, i) => replica(`r${i}`, store, changes.changed)),
  );
  for (const one of all) stack.use(one);
  const leaders = (): number => all.filter(({ election }) => election.leading).length;
  await changes.until("a leader", () => leaders() > 0);
  const before = store.writes;
  // Long enough for every replica to have looked again several times.
  await changes.until("renewals", () => {
    setTimeout(changes.changed, 20);
    return store.writes > before + 5;
  });
  assert.equal(leaders(), 1);
});

for (const fault of ["away", "hangs"] as const)
  test(`a leader whose API server ${fault} stops leading before another starts`, async () => {
    const store = new LeaseInMemory();
    const changes = new Changes();
    await using first = await replica("a", store, changes.changed);
    await changes.until("a", () => first.election.leading);
    await using second = await replica("b", store, changes.changed);
    first.state.fault = fault;
    await changes.until("the end of a's term", () => first.state.term?.aborted === true);
    assert.equal(second.election.leading, false);
    await changes.until("b", () => second.election.leading);
    assert.match(first.events.at(-1) ?? "", /lost: the lease could not be renewed in time/);
    assert.equal(store.lease?.spec?.leaseTransitions, 1);
    // Back again, it follows.
    first.state.fault = "none";
  });

test("a lease that somebody else took by force is lost", async () => {
  const store = new LeaseInMemory();
  const changes = new Changes();
  await using first = await replica("a", store, changes.changed);
  await changes.until("a", () => first.election.leading);
  const { lease } = store;
  assert.ok(lease?.spec);
  const spec = { ...lease.spec, holderIdentity: "z", leaseTransitions: 1 };
  assert.equal(store.answer("PUT", JSON.stringify({ ...lease, spec }))[0], 200);
  await changes.until("the loss", () => !first.election.leading);
  assert.equal(first.events.at(-1), "lost: z leads");
  assert.equal(first.election.holder, "z");
  await changes.until("a again, as z is silent", () => first.election.leading);
});

test("the same problem is told once", async () => {
  const store = new LeaseInMemory();
  const changes = new Changes();
  await using only = await replica("a", store, changes.changed);
  only.state.fault = "away";
  await changes.until("the problem", () => only.events.length > 0);
  only.state.fault = "none";
  await changes.until("a", () => only.election.leading);
  assert.deepEqual(
    only.events.filter((event) => event !== "leads"),
    only.events.includes("problem: 503: no quorum") ? ["problem: 503: no quorum"] : [],
  );
});
