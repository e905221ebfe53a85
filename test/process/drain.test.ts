/** What connections see while an agent drains, and when its deadline has passed. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

interface Server extends Disposable {
  readonly port: number;
  readonly sockets: readonly net.Socket[];
}

async function serve(onData: (socket: net.Socket, text: string) => void): Promise<Server> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => onData(socket, chunk.toString()));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A client and all that it has seen: bytes, and how it ended. */
async function dial(port: number): Promise<{ socket: net.Socket; text: string; end: string }> {
  const client = {
    socket: net.connect({ host: VIP, port, localAddress: POD }),
    text: "",
    end: "",
  };
  client.socket.on("data", (chunk) => {
    client.text += chunk;
  });
  client.socket.on("end", () => {
    client.end = "fin";
  });
  client.socket.on("error", (error: NodeJS.ErrnoException) => {
    client.end = error.code ?? "error";
  });
  await once(client.socket, "connect");
  return client;
}

/** What a connection is given for one more request: agent/flow/request/session.ts. */
const LAST_REQUEST_MS = 5_000;
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

test("a drain serves every connection once more, saying so, and ends those that ask nothing in order", async () => {
  let held: net.Socket | undefined;
  using server = await serve((socket, text) => {
    if (text.startsWith("GET /slow")) held = socket;
    else socket.write(ANSWER);
  });
  await using rig = await WorkerRig.start({
    endpoints: [{ address: "127.0.0.1", port: server.port }],
  });
  const idle = await dial(rig.port);
  idle.socket.write(GET);
  await until("an answer", () => idle.text.endsWith("hi"));
  assert.doesNotMatch(idle.text, /connection: close/i);
  const [silent, kept] = [await dial(rig.port), await dial(rig.port)];
  kept.socket.write(GET);
  await until("an answer", () => kept.text.endsWith("hi"));
  kept.text = "";
  const busy = await dial(rig.port);
  busy.socket.write("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  await until("the slow request", () => held !== undefined);

  const drained = rig.workers.drained();
  kept.socket.write(GET);
  await until("the kept connection's end", () => kept.end !== "");
  assert.match(kept.text, /^HTTP\/1.1 200 OK\r\n.*connection: close\r\n.*hi$/is);
  assert.deepEqual([idle.end, silent.end, busy.end], ["", "", ""]);
  const late = await dial(rig.port);
  late.socket.write(GET);
  await until("the late connection's end", () => late.end !== "");
  assert.match(late.text, /^HTTP\/1.1 200 OK\r\n.*connection: close\r\n.*hi$/is);
  assert.equal(busy.end, "");
  held?.write(ANSWER);
  await until("the busy connection's end", () => busy.end !== "");
  assert.match(busy.text, /^HTTP\/1.1 200 OK\r\n.*connection: close\r\n.*hi$/is);
  await until("the end of those who ask nothing", () => idle.end !== "", LAST_REQUEST_MS + 2_000);
  await drained;
  const ends = [late, busy, kept, idle, silent].map(({ end }) => end);
  assert.deepEqual(ends, ["fin", "fin", "fin", "fin", "fin"]);
  assert.equal(rig.count("refused"), 0);
});

/** What an un-enrolled pod and a draining agent wait for beyond their last connection: agent/worker.ts. */
const QUIET_MS = 1_000;

test("a pod is idle, and an agent drained, only when nothing more has come for a while", async () => {
  using server = await serve((socket, text) => socket.end(text.toUpperCase()));
  await using rig = await WorkerRig.start({
    protocol: "tcp",
    endpoints: [{ address: "127.0.0.1", port: server.port }],
  });
  const waits = {
    idle: () => rig.workers.idle("client", new AbortController().signal),
    drained: () => rig.workers.drained(),
  };
  for (const [what, wait] of Object.entries(waits)) {
    let over = false;
    const waited = wait().then(() => {
      over = true;
    });
    // Whose handshake was under way when the kernel was told to send nothing new.
    const late = await dial(rig.port);
    assert.equal(over, false, what);
    late.socket.write("late");
    await until("the late client is served", () => late.end === "fin");
    assert.equal(late.text, "LATE");
    late.socket.end();
    await until("it has ended", async () => (await rig.connections()).length === 0);
    const ended = performance.now();
    await waited;
    const after = performance.now() - ended;
    assert.ok(after > QUIET_MS / 2, `${what} ${after} ms after it`);
  }
});

test("relayed bytes go on through a drain until they are cut, which is counted", async () => {
  using server = await serve((socket, text) => socket.write(text.toUpperCase()));
  await using rig = await WorkerRig.start({
    protocol: "tcp",
    endpoints: [{ address: "127.0.0.1", port: server.port }],
  });
  const client = await dial(rig.port);
  client.socket.write("before ");
  await until("the first echo", () => client.text === "BEFORE ");
  let over = false;
  const drained = rig.workers.drained().then(() => {
    over = true;
  });
  client.socket.write("during");
  await until("the second echo", () => client.text === "BEFORE DURING");
  assert.deepEqual([over, client.end], [false, ""]);
  await rig.workers.cut();
  await drained;
  await until("the reset", () => client.end === "ECONNRESET");
  assert.equal(rig.count("refused", "drain-deadline"), 1);
  assert.equal(rig.count("tcpClosed"), 1);
});

test("a request that is not answered by the deadline gets 503 with the reason", async () => {
  using server = await serve(() => undefined);
  await using rig = await WorkerRig.start({
    endpoints: [{ address: "127.0.0.1", port: server.port }],
  });
  const client = await dial(rig.port);
  client.socket.write(GET);
  await until("the request at the server", () => server.sockets.length === 1);
  const drained = rig.workers.drained();
  await rig.workers.cut();
  await drained;
  await until("the end", () => client.end !== "");
  assert.match(client.text, /^HTTP\/1.1 503 .*x-nodemesh-reason: drain-deadline\r\n/s);
  assert.equal(rig.count("refused", "drain-deadline"), 1);
});
