/** What a server sees of its clients' connections, and whose word counts that a request was never served. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { answering, dial, GET, OK, serve } from "../support/byte-peers.ts";
import { until } from "../support/until.ts";
import { WorkerRig } from "../support/worker-rig.ts";

test("a POST goes over no connection that another client opened; a GET may", async () => {
  using server = await serve(answering);
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const ask = async (request: string): Promise<void> => {
    const client = dial(rig);
    client.socket.write(request);
    await until("it is answered", () => client.text.endsWith("ok"));
    client.socket.end();
    await until("it ends", () => client.ended === "fin");
  };
  await ask(GET);
  await ask(GET);
  assert.equal(server.sockets.length, 1);
  await ask("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  assert.equal(server.sockets.length, 2);
  await until("nothing is kept for longer than a second", () =>
    server.sockets.every(({ readableEnded }) => readableEnded),
  );
});

test("a server that serves one connection at a time is free for another pod within a second", async () => {
  let served: Promise<unknown> = Promise.resolve();
  using server = await serve((socket) => {
    // Reads from a connection only once the one before it has ended, as single-threaded servers do.
    const closed = new Promise((resolve) => socket.once("close", resolve));
    served = served.then(() => {
      answering(socket);
      return closed;
    });
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  // The last one rides on the connection of the first, which lives no longer for that.
  for (let n = 0; n < 3; n++) {
    const client = dial(rig);
    client.socket.write(GET);
    await until("it is answered", () => client.text.endsWith("ok"));
    client.socket.end();
    await until("it ends", () => client.ended === "fin");
  }
  const { address, port } = server.endpoint;
  const other = net.connect(port, address);
  other.write(GET);
  const began = performance.now();
  await once(other, "data");
  const tookMs = performance.now() - began;
  assert.ok(tookMs < 5_000, `${tookMs} ms`);
  other.destroy();
});

test("a Service whose connections are own: nobody rides, and what its client has left ends at once", async () => {
  using server = await serve(answering);
  const { endpoint } = server;
  const timeouts = { poolIdleMs: 3_600_000 };
  await using rig = await WorkerRig.start({ endpoints: [endpoint] }, { timeouts });
  const early = dial(rig);
  early.socket.write(GET);
  await until("it is answered", () => early.text.endsWith("ok"));
  // Said of a connection that is open: it holds from its next request on.
  await rig.update({ endpoints: [endpoint], connections: "own" });
  early.socket.write(GET);
  await until("it is answered again", () => early.text.split("ok").length === 3);
  assert.equal(server.sockets.length, 1, "a client's own connection stays with it");
  early.socket.end();
  await until("its connection ends with it", () => server.sockets[0]?.readableEnded === true);
  const gone = dial(rig);
  gone.socket.write(GET);
  await until("it is answered", () => gone.text.endsWith("ok"));
  const reset = once(server.sockets[1] as net.Socket, "error");
  gone.socket.resetAndDestroy();
  await reset;
  const late = dial(rig);
  late.socket.write(GET);
  await until("it is answered", () => late.text.endsWith("ok"));
  assert.equal(server.sockets.length, 3);
  server.sockets[2]?.end();
  await until("the agent has seen its end", () => server.sockets[2]?.readableEnded === true);
  late.socket.write(GET);
  await until("it outlives its server's end", () => late.text.split("ok").length === 3);
  assert.equal(server.sockets.length, 4);
  late.socket.destroy();
});

test("from a log-in on, the connection is one client's for good, and both end together", async () => {
  using server = await serve(answering);
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const anna = dial(rig);
  anna.socket.write("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: NTLM anna\r\n\r\n");
  await until("she is answered", () => anna.text.endsWith("ok"));
  const stranger = dial(rig);
  stranger.socket.write(GET);
  await until("the stranger is answered", () => stranger.text.endsWith("ok"));
  assert.equal(server.sockets.length, 2);
  server.sockets[0]?.end();
  await until("her connection ends with her server's", () => anna.ended === "fin");
  assert.equal(stranger.ended, "open");
  anna.socket.destroy();
  stranger.socket.destroy();
});

test("nobody rides on a connection on which a log-in was asked for", async () => {
  const ask = "HTTP/1.1 401 Who\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nok";
  using server = await serve((socket) => {
    socket.on("data", (bytes) => socket.write(bytes.includes("/secret") ? ask : OK));
    socket.on("end", () => socket.end());
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const visit = async (request: string): Promise<void> => {
    const client = dial(rig);
    client.socket.write(request);
    await until("it is answered", () => client.text.endsWith("ok"));
    client.socket.end();
    await until("it ends", () => client.ended === "fin");
  };
  await visit(GET);
  await visit(GET.replace("/", "/secret"));
  assert.equal(server.sockets.length, 1, "the second one rides");
  await visit(GET);
  assert.equal(server.sockets.length, 2);
});

test("the surplus answer of a server that does not know chunked requests reaches no other client", async () => {
  const surplus = "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nbad";
  using server = await serve((socket) => {
    // To it the chunks are a request of their own, which it answers as soon as it reads on.
    let owed = "";
    socket.on("data", (bytes) => {
      const text = bytes.toString("latin1");
      if (!text.includes(" HTTP/1.1\r\n")) return;
      socket.write(owed + OK);
      owed = text.includes("chunked") ? surplus : "";
    });
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const anna = dial(rig);
  const chunks = "2\r\nhi\r\n0\r\n\r\n";
  anna.socket.write(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`);
  await until("she is answered", () => anna.text === OK);
  for (const leaves of [false, true]) {
    if (leaves) anna.socket.end();
    const other = dial(rig);
    other.socket.write(GET + GET);
    await until("another client is answered twice", () => other.text.length >= 2 * OK.length);
    assert.equal(other.text, OK + OK);
    other.socket.destroy();
  }
});

test("a server that ends right after its answer loses no POST of a new connection", async () => {
  using server = await serve((socket) => {
    socket.once("data", () => socket.write(OK, () => setTimeout(() => socket.end(), 30)));
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  for (let n = 0; n < 20; n++) {
    const client = dial(rig);
    client.socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    await until("it is answered", () => client.text !== "");
    assert.match(client.text, /^HTTP\/1\.1 200 /);
    client.socket.destroy();
  }
});

/** Answers every request with what an agent says that could not reach its application, which it `names`. */
function unserved(names: (socket: net.Socket) => string): (socket: net.Socket) => void {
  return (socket) =>
    socket.on("data", () =>
      socket.write(
        `HTTP/1.1 503 No\r\nx-nodemesh-reason: connect-refused\r\n${names(socket)}Content-Length: 0\r\n\r\n`,
      ),
    );
}

function ofItself({ localAddress, localPort }: net.Socket): string {
  return `X-Nodemesh-Dialled: ${localAddress}:${localPort}\r\n`;
}

const WRITING: readonly string[] = ["POST", "PUT", "PATCH"];

/** How each writing request is answered that meets the first of the endpoints first. */
async function writeTo(rig: WorkerRig): Promise<readonly string[]> {
  const heads: string[] = [];
  for (const method of WRITING) {
    const client = dial(rig);
    client.socket.write(`${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi`);
    await until("it is answered", () => client.text !== "");
    heads.push(client.text);
    client.socket.destroy();
  }
  return heads;
}

test("what an enrolled endpoint's agent says was never served goes elsewhere, whatever it is", async () => {
  using good = await serve((socket) => socket.on("data", () => socket.write(OK)));
  // An agent of an earlier version names nothing.
  for (const names of [ofItself, () => ""]) {
    using refusing = await serve(unserved(names));
    await using rig = await WorkerRig.start({ endpoints: [refusing.endpoint, good.endpoint] });
    for (const head of await writeTo(rig)) assert.match(head, /^HTTP\/1\.1 200 /);
    assert.ok(refusing.sockets.length > 0);
  }
});

const OTHER = "X-Nodemesh-Dialled: 127.0.0.9:80\r\n";

/** Addresses of pods that are not enrolled are nobody's in the rig. */
const NOT_BELIEVED: readonly (readonly [what: string, address: string, typeof ofItself])[] = [
  ["names another address than the one asked", "127.0.0.1", () => OTHER],
  ["names two", "127.0.0.1", (socket) => `${ofItself(socket)}${OTHER}`],
  ["is not enrolled", "127.0.0.4", ofItself],
  ["is not enrolled and names nothing", "127.0.0.4", () => ""],
];

for (const [what, address, names] of NOT_BELIEVED)
  test(`an endpoint that ${what} is not believed: its answer crosses, nothing is repeated`, async () => {
    using claiming = await serve(unserved(names), address);
    using good = await serve((socket) => socket.on("data", () => socket.write(OK)));
    const endpoints = [claiming.endpoint, { ...good.endpoint, state: "draining" as const }];
    await using rig = await WorkerRig.start({ endpoints });
    for (const head of await writeTo(rig)) assert.match(head, /^HTTP\/1\.1 503 No\r\n/);
    assert.equal(good.sockets.length, 0);
  });
