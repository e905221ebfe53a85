/** What a request's life must not do to its client or server: one test for each fault that was seen. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import type net from "node:net";
import { test } from "node:test";
import { answering, deadEndpoint, dial, GET, serve } from "../support/byte-peers.ts";
import { until } from "../support/until.ts";
import { WorkerRig } from "../support/worker-rig.ts";

test("of a pipelined POST every byte arrives, though one of two endpoints refuses", async () => {
  const body = Buffer.alloc(400_000, 1);
  let arrived = 0;
  const server = http.createServer((request, response) => {
    request.on("data", (bytes: Buffer) => {
      if (request.method === "POST") arrived += bytes.length;
    });
    request.on("end", () => response.end(request.method));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const live = { address: "127.0.0.1", port };
  for (let round = 0; round < 4; round++) {
    arrived = 0;
    await using rig = await WorkerRig.start({ endpoints: [live, await deadEndpoint()] });
    const client = dial(rig);
    const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
    client.socket.write(Buffer.concat([Buffer.from(GET + post), body]));
    await until("both are answered", () => client.text.endsWith("POST"));
    assert.equal(arrived, body.length);
    client.socket.destroy();
  }
  server.closeAllConnections();
  server.close();
});

test("pipelined uploads larger than a read arrive whole, one after the other over one connection", async () => {
  const body = Buffer.alloc(300_000, 1);
  const post = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`;
  const server = http.createServer((request, response) => {
    let bytes = 0;
    request.on("data", (piece: Buffer) => {
      bytes += piece.length;
    });
    request.on("end", () => response.end(`<${bytes}>`));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  await using rig = await WorkerRig.start({ endpoints: [{ address: "127.0.0.1", port }] });
  const client = dial(rig);
  client.socket.write(Buffer.concat([Buffer.from(GET + post), body, Buffer.from(post), body]));
  const counts = (): readonly string[] => client.text.match(/<\d+>/g) ?? [];
  await until("all three are answered", () => counts().length === 3);
  assert.deepEqual(counts(), ["<0>", "<300000>", "<300000>"]);
  client.socket.destroy();
  server.closeAllConnections();
  server.close();
});

test("the time for an answer's head says nothing of the answer's body", async () => {
  using server = await serve((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
      let sent = 0;
      const timer = setInterval(() => {
        socket.write("x");
        if (++sent === 5) clearInterval(timer);
      }, 250);
    });
  });
  // Longer than a stall of a busy machine, shorter than the answer.
  const timeouts = { responseHeadMs: 1_000, idleMs: 1_000 };
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] }, { timeouts });
  const client = dial(rig);
  client.socket.write(GET);
  await until("the whole answer is here", () => client.text.endsWith("xxxxx"));
  client.socket.destroy();
});

test("an endpoint that lets the time for its answer's head pass is left out soon", async () => {
  using hung = await serve((socket) => socket.resume());
  using good = await serve(answering);
  const endpoints = [hung.endpoint, good.endpoint];
  await using rig = await WorkerRig.start({ endpoints }, { timeouts: { responseHeadMs: 100 } });
  let late = 0;
  for (let n = 0; n < 24; n++) {
    const client = dial(rig);
    client.socket.write(GET);
    await until("it is answered", () => client.text !== "");
    if (client.text.startsWith("HTTP/1.1 504")) late++;
    client.socket.destroy();
  }
  assert.ok(late >= 1 && late <= 6, `${late} of 24`);
});

test("an open WebSocket counts as active, and is cut on both sides when its pod goes", async () => {
  using server = await serve((socket) => {
    socket.once("data", () =>
      socket.write("HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
    );
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  client.socket.write("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n");
  await until("it is open", () => client.text.includes("101"));
  assert.equal((await rig.workers.ask("endpoints"))[0]?.["active"], 1);
  await rig.workers.removed("client");
  await until("the server's side is cut", () => server.sockets[0]?.destroyed === true);
  await until("the client's side is cut, too", () => client.ended === "reset");
});

test("a pod that goes waits for no client that does not end", async () => {
  using server = await serve(answering);
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  client.socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  await until("the agent has ended its side", () => client.ended === "fin");
  const began = performance.now();
  await rig.workers.removed("client");
  const tookMs = performance.now() - began;
  assert.ok(tookMs < 1000, `${tookMs} ms`);
  client.socket.destroy();
});

test("a client that does not read holds its pipelined requests back", async () => {
  let served = 0;
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: 32000\r\n\r\n${"x".repeat(32_000)}`;
  using server = await serve((socket) => {
    socket.on("data", (bytes) => {
      for (let n = bytes.toString("latin1").split("\r\n\r\n").length; n > 1; n--) {
        served++;
        socket.write(answer);
      }
    });
  });
  const limits = { maxBufferedBytesPerPod: 4 << 20 };
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] }, { limits });
  const client = dial(rig);
  client.socket.pause();
  client.socket.write(GET.repeat(1500));
  let before = -1;
  await until("no more requests come through", async () => {
    const same = served === before && served > 0;
    before = served;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return same;
  });
  assert.ok(served < 1500, `${served} requests were served to a client that reads nothing`);
  assert.equal(rig.count("refused", "memory-limit"), 0);
  client.socket.resume();
  await until("all are answered", () => client.text.length === 1500 * answer.length);
  client.socket.destroy();
});

test("the server of a long poll sees that its client leaves", async () => {
  using server = await serve((socket) => socket.resume());
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  client.socket.write(GET);
  await until("the server has it", () => (server.sockets[0]?.bytesRead ?? 0) === GET.length);
  const ended = once(server.sockets[0] as net.Socket, "end");
  client.socket.end();
  await ended;
});

test("a long poll that its client leaves is asked of nobody else", async () => {
  const poll = (socket: net.Socket): void => {
    socket.resume();
    socket.on("end", () => socket.end());
  };
  using one = await serve(poll);
  using other = await serve(poll);
  await using rig = await WorkerRig.start({ endpoints: [one.endpoint, other.endpoint] });
  const client = dial(rig);
  client.socket.write(GET);
  const polls = (): number => one.sockets.length + other.sockets.length;
  await until("a server is asked", () => polls() === 1);
  client.socket.end();
  await until("the client is told", () => client.ended === "fin");
  assert.match(client.text, /^HTTP\/1\.1 502 /);
  assert.equal(polls(), 1);
});

test("what was sent before a reset arrives", async () => {
  const post = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  using server = await serve((socket) => socket.resume());
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  for (let n = 0; n < 50; n++) {
    const client = dial(rig);
    await once(client.socket, "connect");
    client.socket.write(post, () => client.socket.resetAndDestroy());
  }
  const whole = () => server.sockets.filter(({ bytesRead }) => bytesRead === post.length).length;
  await until("all have arrived", () => whole() === 50);
});

test("an answer that comes before the request is whole arrives, and the upload goes on", async () => {
  const early = "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno\n";
  using server = await serve((socket) => socket.once("data", () => socket.write(early)).resume());
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n";
  client.socket.write(head);
  await until("it is answered", () => client.text === early);
  client.socket.write(Buffer.alloc(100_000));
  const all = head.length + 100_000;
  await until("the server has the rest", () => server.sockets[0]?.bytesRead === all);
  assert.equal(client.ended, "open");
  client.socket.destroy();
});

test("once an answer has no length, bytes go both ways", async () => {
  using server = await serve((socket) => {
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\n\r\nready;");
      socket.on("data", (bytes) => socket.write(bytes));
    });
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint], protocol: "detect" });
  const client = dial(rig);
  client.socket.write(GET);
  await until("the answer has begun", () => client.text.endsWith("ready;"));
  client.socket.write("x".repeat(20_000));
  await until("they come back", () => client.text.endsWith("x".repeat(20_000)));
  client.socket.destroy();
});

test("a CONNECT that is not granted begins no tunnel", async () => {
  using server = await serve((socket) => {
    socket.once("data", () => socket.end("HTTP/1.1 403 No\r\n\r\nno"));
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  client.socket.write("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
  await until("it ends", () => client.ended === "fin");
  assert.equal(client.text, "HTTP/1.1 403 No\r\nConnection: close\r\n\r\nno");
  client.socket.destroy();
});

test("an answer that is cut ends as its server ended it, after the same bytes", async () => {
  for (const how of ["fin", "reset"] as const) {
    using server = await serve((socket) => {
      socket.once("data", () =>
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", () =>
          how === "fin" ? socket.end() : setTimeout(() => socket.resetAndDestroy(), 50),
        ),
      );
    });
    await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
    const client = dial(rig);
    client.socket.write(GET);
    await until("it ends", () => client.ended !== "open");
    assert.equal(client.ended, how);
    assert.ok(client.text.endsWith("half"), client.text);
    client.socket.destroy();
  }
});

test("what is no HTTP on a port that is declared so is carried as bytes, and told once", async () => {
  using server = await serve((socket) => socket.on("data", (bytes) => socket.write(bytes)));
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  for (const first of [
    preface,
    "\u0016\u0003\u0001\u0000\u0005hello",
    "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
  ]) {
    const client = dial(rig);
    client.socket.write(first, "latin1");
    await until("it comes back", () => client.text === first);
    client.socket.destroy();
  }
  await until("all three are told", () => rig.misdeclared.length === 3);
  assert.deepEqual(rig.misdeclared.map(({ spoken }) => spoken).sort(), ["http2", "proxy", "tls"]);
});

test("control away: who finds no known endpoint is led to the address that was dialled", async () => {
  using known = await serve(() => undefined);
  await using rig = await WorkerRig.start({ endpoints: [await deadEndpoint()] });
  await rig.workers.control(true);
  const client = dial(rig);
  client.socket.write(GET);
  await until("the worker says so", () => rig.fallbacks.length === 1);
  assert.deepEqual(rig.fallbacks, ["default/server"]);
  client.socket.destroy();
  assert.equal(known.sockets.length, 0);
});
