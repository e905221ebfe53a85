import assert from "node:assert/strict";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { connect as connectSocket } from "node:net";
import { test } from "node:test";
import { decodeDelta } from "#model/codec.ts";
import { encodeFrame, FrameReader } from "#model/frames.ts";
import type { EndpointState } from "#model/service.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import { partsOf, startAgent, startControl, Witness } from "./control-link.ts";

/** A hand-made agent: a session that asks for one path. */
function ask(
  port: number,
  path: string,
  method: "GET" | "POST" = "GET",
): AsyncDisposable & {
  session: ClientHttp2Session;
  stream: ClientHttp2Stream;
} {
  const session = connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  const stream = session.request({ ":path": path, ":method": method });
  stream.on("error", () => {});
  return {
    session,
    stream,
    async [Symbol.asyncDispose]() {
      session.destroy();
    },
  };
}

async function statusOf(stream: ClientHttp2Stream): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  stream.once("response", (headers) => resolve(Number(headers[":status"])));
  return promise;
}

test("an agent that does not acknowledge costs one message, and gets the newest when it does", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf([]));
  await using client = ask(control.port, "/v1/snapshots?node=n1&format=2", "POST");
  const versions: number[] = [];
  const reader = new FrameReader();
  client.stream.on("data", (piece: Buffer) => {
    const messages = reader.push(piece);
    assert.ok(messages !== "too-long");
    for (const message of messages) {
      const decoded = decodeDelta(message);
      assert.ok(decoded.kind === "delta");
      versions.push(decoded.delta.version);
    }
    witness.changed();
  });
  await witness.until("the first", () => versions.length === 1);
  for (let i = 0; i < 300; i++) {
    control.publisher.publish(partsOf([`pod-${i}`]));
    await new Promise(setImmediate);
  }
  assert.equal(control.agents.get("n1")?.sent?.version, 1);
  // Of an older version, as when a renewed token is shown: it is not what is waited for.
  client.stream.write(frameOf({ epoch: "e1", version: 0 }));
  await witness.until("the older ack", () => control.agents.get("n1")?.acked?.version === 0);
  assert.equal(control.agents.get("n1")?.sent?.version, 1);
  client.stream.write(frameOf({ epoch: "e1", version: 1 }));
  await witness.until("the newest", () => versions.length === 2);
  assert.deepEqual(versions, [1, 301]);
});

function frameOf(words: unknown): Uint8Array {
  return encodeFrame(Buffer.from(JSON.stringify(words)));
}

test("changes of endpoints go to who says that it can read them; others get whole Services", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  const publish = (state: EndpointState): void => {
    const endpoints = ["10.1.0.2", "10.1.0.3"].map((address) => ({ address, port: 8080, state }));
    const last = endpoints.with(1, { address: "10.1.0.3", port: 8080, state: "ready" });
    const ports = [{ name: "", port: 80, protocol: "http" as const, endpoints: last }];
    const service = { namespace: "shop", name: "order", addresses: [], ports };
    const services = new Map([
      ["shop/order", { ...service, balance: { kind: "random" as const } }],
    ]);
    control.publisher.publish({ workloads: new Map(), services });
  };
  publish("ready");
  publish("draining");
  const delta = async (query: string): Promise<SnapshotDelta> => {
    await using client = ask(control.port, `/v1/snapshots?node=n1&have=e1:1${query}`);
    const reader = new FrameReader();
    for await (const piece of client.stream as AsyncIterable<Buffer>) {
      const [message] = reader.push(piece);
      assert.ok(message instanceof Uint8Array);
      const decoded = decodeDelta(message);
      assert.ok(decoded.kind === "delta");
      return decoded.delta;
    }
    assert.fail("no message");
  };
  for (const query of ["", "&format=1", "&format=new"]) {
    const { upsertServices, changeEndpoints } = await delta(query);
    assert.deepEqual([upsertServices.length, changeEndpoints.length], [1, 0], query);
  }
  for (const query of ["&format=2", "&format=3"]) {
    const { upsertServices, changeEndpoints } = await delta(query);
    const upsert = [{ address: "10.1.0.2", port: 8080, state: "draining" }];
    assert.deepEqual(upsertServices, [], query);
    assert.deepEqual(changeEndpoints, [{ service: "shop/order", port: 80, upsert, remove: [] }]);
  }
});

test("a peer that answers no ping is cut off", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  const socket = connectSocket(control.port, "127.0.0.1");
  const closed = Promise.withResolvers<void>();
  socket.on("close", () => closed.resolve());
  socket.on("error", () => {});
  socket.resume();
  // RFC 9113 section 3.4: the client's preface and an empty SETTINGS frame; then silence.
  socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0));
  await closed.promise;
});

test("bytes that are not HTTP/2, and requests for nothing known, leave the server well", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  const socket = connectSocket(control.port, "127.0.0.1");
  const closed = Promise.withResolvers<void>();
  socket.on("close", () => closed.resolve());
  socket.on("error", () => {});
  socket.resume();
  socket.end("GET / HTTP/1.1\r\n\r\n");
  await closed.promise;
  const answers: number[] = [];
  for (const path of ["/", "/v1/snapshots", "/v1/snapshots?node=A_B", "/v1/acks", "//"]) {
    await using client = ask(control.port, path);
    answers.push(await statusOf(client.stream));
  }
  assert.deepEqual(answers, [404, 400, 400, 404, 404]);
});

test("an ack above the limit is refused", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  const session = connect(`http://127.0.0.1:${control.port}`);
  const stream = session.request({ ":method": "POST", ":path": "/v1/acks" });
  stream.end(Buffer.alloc(20_000, "x"));
  assert.equal(await statusOf(stream), 413);
  session.destroy();
});

test("acks on the stream count for its node, the newest of them; anything else ends the stream", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  const follow = (node: string): ReturnType<typeof ask> =>
    ask(control.port, `/v1/snapshots?node=${node}&format=2`, "POST");
  const acked = (): unknown => control.agents.get("n1")?.acked?.version;
  await using client = follow("n1");
  client.stream.resume();
  assert.equal(await statusOf(client.stream), 200);
  // In pieces, as the network may cut them; an agent speaks for no other node, whatever it says.
  const ack = frameOf({ epoch: "e1", version: 7, node: "n2" });
  client.stream.write(ack.subarray(0, 3));
  await new Promise(setImmediate);
  client.stream.write(ack.subarray(3));
  await witness.until("ack of 7", () => acked() === 7);
  client.stream.write(frameOf({ epoch: "e1", version: 6 }));
  client.stream.write(frameOf({ epoch: "e2", version: 1 }));
  await witness.until("ack of another epoch", () => acked() === 1);
  assert.equal(control.agents.get("n2"), undefined);

  const strange = [
    frameOf({ epoch: "e2", version: -1 }),
    frameOf({ version: 1 }),
    encodeFrame(Buffer.from("{")),
    // A length above the limit is refused before the bytes come.
    encodeFrame(new Uint8Array(20_000)).subarray(0, 4),
  ];
  for (const bytes of strange) {
    await using bad = follow("n1");
    bad.stream.resume();
    const closed = Promise.withResolvers<void>();
    bad.stream.on("close", () => closed.resolve());
    await statusOf(bad.stream);
    bad.stream.write(bytes);
    await closed.promise;
    assert.equal(bad.stream.rstCode, constants.NGHTTP2_PROTOCOL_ERROR);
  }
  assert.equal(acked(), 1);
});

test("an agent that claims what it was never sent does not keep its node's next one from news", async () => {
  const witness = new Witness();
  await using control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  {
    await using liar = ask(control.port, "/v1/snapshots?node=n1&format=2", "POST");
    liar.stream.resume();
    assert.equal(await statusOf(liar.stream), 200);
    liar.stream.write(frameOf({ epoch: "e1", version: Number.MAX_SAFE_INTEGER }));
    const acked = (): unknown => control.agents.get("n1")?.acked?.version;
    await witness.until("the claim", () => acked() === Number.MAX_SAFE_INTEGER);
  }
  await using agent = startAgent(control.port, witness);
  await witness.until("ack of 1", () => control.agents.get("n1")?.acked?.version === 1);
  control.publisher.publish(partsOf(["a", "b"]));
  await witness.until("ack of 2", () => control.agents.get("n1")?.acked?.version === 2);
  assert.equal(agent.store.current.workloads.size, 2);
});

test("closing the server ends the streams of agents that follow", async () => {
  const witness = new Witness();
  const control = await startControl("e1", witness);
  control.publisher.publish(partsOf(["a"]));
  await using client = ask(control.port, "/v1/snapshots?node=n1");
  const ended = Promise.withResolvers<void>();
  client.stream.on("close", () => ended.resolve());
  client.stream.resume();
  await statusOf(client.stream);
  await control[Symbol.asyncDispose]();
  await ended.promise;
  assert.equal(control.agents.list()[0]?.connected, false);
});
