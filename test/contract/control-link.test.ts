import assert from "node:assert/strict";
import { createServer as createHttp2 } from "node:http2";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { encodeDelta } from "#model/codec.ts";
import { encodeFrame } from "#model/frames.ts";
import { type MisdeclaredPort, MisdeclaredPorts } from "#model/misdeclared.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import { fullDelta } from "#model/snapshot-delta.ts";
import { SnapshotStore } from "../../agent/state/store.ts";
import { partsOf, startAgent, startControl, Witness } from "./control-link.ts";

test("an agent gets the snapshot, then deltas, and control sees the acks", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  const deltas: SnapshotDelta[] = [];
  await using agent = startAgent(control.port, witness, {
    enforce: (_, delta) => {
      deltas.push(delta);
      return Promise.resolve();
    },
  });
  await witness.until("version 1", () => agent.store.current.version === 1);
  control.publisher.publish(partsOf(["a", "b"], control.publisher.snapshot));
  await witness.until("ack of 2", () => control.agents.list()[0]?.acked?.version === 2);
  assert.deepEqual(agent.store.current, control.publisher.snapshot);
  assert.deepEqual(
    deltas.map(({ base, upsertWorkloads }) => [base, upsertWorkloads.map(({ uid }) => uid)]),
    [
      ["nothing", ["a"]],
      [1, ["b"]],
    ],
  );
  assert.equal(control.agents.list()[0]?.connected, true);
});

test("nothing is served before control knows its world", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  await using agent = startAgent(control.port, witness);
  await witness.until("connected", () => agent.statuses.at(-1)?.kind === "connected");
  assert.equal(agent.store.current.epoch, "");
  control.publisher.publish(partsOf([]));
  await witness.until("the empty world", () => agent.store.current.version === 1);
});

test("a restarted control is found again, and its new epoch replaces everything", async () => {
  const witness = new Witness();
  const first = await startControl("e1", witness);
  first.publisher.publish(partsOf(["a"]));
  await using agent = startAgent(first.port, witness);
  await witness.until("e1", () => agent.store.current.epoch === "e1");
  await first[Symbol.asyncDispose]();
  await witness.until("loss", () => agent.statuses.at(-1)?.kind === "lost");
  assert.equal(agent.store.current.workloads.has("a"), true, "the last good snapshot stays");
  await using second = await startControl("e2", witness, first.port);
  second.publisher.publish(partsOf(["b"]));
  await witness.until("e2", () => agent.store.current.epoch === "e2");
  assert.deepEqual([...agent.store.current.workloads.keys()], ["b"]);
});

test("an agent that comes back resumes from the version it has", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  const store = new SnapshotStore(Date.now);
  {
    await using agent = startAgent(control.port, witness, { store });
    await witness.until("version 1", () => agent.statuses.at(-1)?.kind === "synced");
  }
  control.publisher.publish(partsOf(["a", "b"], control.publisher.snapshot));
  const bases: unknown[] = [];
  const enforce = (_: unknown, { base }: SnapshotDelta): Promise<void> => {
    bases.push(base);
    return Promise.resolve();
  };
  await using agent = startAgent(control.port, witness, { store, enforce });
  await witness.until("version 2", () => agent.statuses.at(-1)?.kind === "synced");
  assert.deepEqual(bases, [1]);
});

test("a reconnect without news confirms the snapshot without swapping it", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  const store = new SnapshotStore(() => 77);
  const restored = control.publisher.snapshot;
  store.restore(restored);
  assert.equal(store.confirmedAt, undefined);
  await using agent = startAgent(control.port, witness, { store });
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  assert.equal(store.current, restored);
  assert.equal(store.confirmedAt, 77);
});

test("a quiet connection keeps confirming the snapshot, a lost one does not", async () => {
  const witness = new Witness();
  let clock = 0;
  const store = new SnapshotStore(() => {
    setImmediate(() => witness.changed());
    return ++clock;
  });
  const control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  await using agent = startAgent(control.port, witness, { store, pingMs: 20 });
  await witness.until("three confirmations by ping", () => (store.confirmedAt ?? 0) >= 4);
  await control[Symbol.asyncDispose]();
  await witness.until("loss", () => agent.statuses.at(-1)?.kind === "lost");
  const last = store.confirmedAt;
  const attempts = agent.statuses.length;
  await witness.until("another try", () => agent.statuses.length >= attempts + 2);
  assert.equal(store.confirmedAt, last);
});

test("while an agent is slow its deltas add up into one", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf([]));
  const gate = Promise.withResolvers<void>();
  const versions: number[] = [];
  await using agent = startAgent(control.port, witness, {
    enforce: ({ version }) => {
      versions.push(version);
      witness.changed();
      return gate.promise;
    },
  });
  await witness.until("the first", () => versions.length === 1);
  for (let i = 0; i < 200; i++) {
    control.publisher.publish(partsOf([`pod-${i}`]));
    await new Promise(setImmediate);
  }
  gate.resolve();
  await witness.until("the newest", () => agent.store.current.version === 201);
  assert.deepEqual(versions, [1, 201]);
  assert.deepEqual(agent.store.current, control.publisher.snapshot);
});

test("what can't be enforced is nacked, and tried again whole until it can", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  let failures = 2;
  const bases: unknown[] = [];
  await using agent = startAgent(control.port, witness, {
    enforce: (_, { base, upsertWorkloads }) => {
      bases.push([base, upsertWorkloads.length]);
      return failures-- > 0 ? Promise.reject(new Error("map pods is full")) : Promise.resolve();
    },
  });
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  assert.deepEqual(bases, Array(3).fill(["nothing", 1]));
  await witness.until("ack of 1", () => control.agents.list()[0]?.acked?.version === 1);
  assert.deepEqual(
    control.agents.list()[0]?.nacks.map(({ version, problem }) => [version, problem]),
    [
      [1, "map pods is full"],
      [1, "map pods is full"],
    ],
  );
});

/** A server that answers each request for snapshots with these bytes, and notes the acks and refusals of their own. */
async function scriptedControl(
  frames: (path: string) => Uint8Array,
  acks: string[],
): Promise<AsyncDisposable & { port: number }> {
  const server = createHttp2();
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => {
    sessions.add(session);
    session.on("stream", (stream, headers) => {
      stream.on("error", () => {});
      const path = headers[":path"] ?? "";
      stream.respond({ ":status": path === "/v1/acks" ? 204 : 200 });
      if (path !== "/v1/acks") {
        stream.resume();
        stream.write(frames(path));
        return;
      }
      stream.on("data", (piece: Buffer) => acks.push(piece.toString()));
      stream.on("end", () => stream.end());
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const session of sessions) session.destroy();
      await closed.promise;
    },
  };
}

test("a corrupted message is refused whole, named in a nack, and the last good snapshot stays", async () => {
  const witness = new Witness();
  const good = { epoch: "e1", version: 4, ...partsOf(["a"]) };
  const store = new SnapshotStore(Date.now);
  store.restore(good);
  const bad = new TextDecoder()
    .decode(encodeDelta({ ...fullDelta(good), version: 5 }))
    .replace("10.0.0.1", "10.0.0.999");
  const acks: string[] = [];
  await using control = await scriptedControl(() => encodeFrame(Buffer.from(bad)), acks);
  await using agent = startAgent(control.port, witness, { store });
  await witness.until("a nack", () => agent.statuses.at(-1)?.kind === "lost");
  assert.equal(store.current, good);
  assert.deepEqual(JSON.parse(acks[0] ?? ""), {
    node: "n1",
    epoch: "e1",
    version: 4,
    field: "upsertWorkloads[0].addresses[0]",
    problem: "must be an IP address in canonical form",
  });
});

test("changes to a version we don't have make the agent ask for everything", async () => {
  const witness = new Witness();
  const full = fullDelta({ epoch: "e1", version: 9, ...partsOf(["a"]) });
  await using control = await scriptedControl(
    (path) => encodeFrame(encodeDelta(path.includes("have") ? { ...full, base: 8 } : full)),
    [],
  );
  const store = new SnapshotStore(Date.now);
  store.restore({ epoch: "e1", version: 3, ...partsOf(["z"]) });
  await using agent = startAgent(control.port, witness, { store });
  await witness.until("version 9", () => store.current.version === 9);
  assert.deepEqual([...store.current.workloads.keys()], ["a"]);
  assert.ok(agent.statuses.some((status) => status.kind === "lost"));
});

test("a control that accepts and then says nothing counts as dead", async () => {
  const witness = new Witness();
  const server = createServer((socket) => socket.on("error", () => {}));
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  {
    const { port } = server.address() as AddressInfo;
    await using agent = startAgent(port, witness, { pingMs: 50 });
    await witness.until("loss", () => agent.statuses.at(-1)?.kind === "lost");
    const last = agent.statuses.at(-1);
    assert.match(last?.kind === "lost" ? last.problem : "", /ping/);
  }
  server.close();
});

test("an agent with a malformed name is told so", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  await using agent = startAgent(control.port, witness, { node: "Not A Name" });
  await witness.until("refusal", () => agent.statuses.at(-1)?.kind === "lost");
  const last = agent.statuses.at(-1);
  assert.equal(
    last?.kind === "lost" && last.problem,
    "control answered 400: node: must be a node's name",
  );
});

test("control hears of misdeclared ports when they become others, and again after a loss", async () => {
  const witness = new Witness();
  const first = await startControl("e1", witness);
  first.publisher.publish(partsOf(["a"]));
  const misdeclared = new MisdeclaredPorts(60_000, () => 0);
  const tls: MisdeclaredPort = { kind: "service", service: "shop/order", port: 80, spoken: "tls" };
  const proxy: MisdeclaredPort = { kind: "pod", pod: "a", port: 8080, spoken: "proxy" };
  await using agent = startAgent(first.port, witness, { misdeclared });
  await witness.until("synced", () => agent.statuses.at(-1)?.kind === "synced");
  misdeclared.note(tls);
  await witness.until("the first port", () => first.misdeclared.length === 1);
  misdeclared.note(tls);
  misdeclared.note(proxy);
  await witness.until("both", () => first.misdeclared.length === 2);
  assert.deepEqual(first.misdeclared, [[tls], [tls, proxy]]);
  first.publisher.publish(partsOf(["a", "b"], first.publisher.snapshot));
  await witness.until("version 2", () => first.agents.get("n1")?.acked?.version === 2);
  await first[Symbol.asyncDispose]();
  await using second = await startControl("e2", witness, first.port);
  second.publisher.publish(partsOf(["a"]));
  await witness.until("another control", () => second.misdeclared.length === 1);
  assert.deepEqual(second.misdeclared, [[tls, proxy]]);
  assert.equal(first.misdeclared.length, 2, "nothing is said twice on one connection");
  assert.equal(second.agents.get("n1")?.acked?.version, 1);
});
