/** Ports of unknown protocol: what is learned from silent clients, and what must not be. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

/** See agent/flow/detect.ts, less what timers may be early. */
const LOOK_MS = 45;

async function listening(server: net.Server): Promise<{ address: string; port: number }> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { address: "127.0.0.1", port: (server.address() as net.AddressInfo).port };
}

async function dial(port: number): Promise<net.Socket> {
  const socket = net.connect({ host: VIP, port, localAddress: POD });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  return socket;
}

/**
 * Who answers requests on kept connections. The first request goes out with the handshake: a machine that stalls between
 * the two would make a look of 50 ms see a silent client.
 */
async function answersOf(port: number, count: number): Promise<readonly string[]> {
  const socket = net.connect({ host: VIP, port, localAddress: POD });
  socket.on("error", () => undefined);
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
  });
  for (let sent = 1; sent <= count; sent++) {
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await until(`answer ${sent}`, () => text.split("<server").length > sent);
  }
  socket.destroy();
  return [...new Set(text.match(/<server \d>/g))].sort();
}

for (const [what, visit] of Object.entries({
  "a probe that connects and leaves": async (socket: net.Socket) => {
    socket.end();
    await once(socket.resume(), "close");
  },
  "a client that connects ahead of its request": async (socket: net.Socket) => {
    await new Promise((resolve) => setTimeout(resolve, 3 * LOOK_MS));
    socket.destroy();
  },
  "a client that the server tells 408": async (socket: net.Socket) => {
    const [data] = await once(socket, "data");
    assert.match(String(data), /^HTTP\/1.1 408 /);
    socket.destroy();
  },
})) {
  test(`${what} does not make the port's HTTP opaque`, async (t) => {
    const servers = [1, 2].map((n) =>
      http.createServer(
        { headersTimeout: 300, requestTimeout: 300, connectionsCheckingInterval: 50 },
        (_, response) => response.end(`<server ${n}>`),
      ),
    );
    t.after(() => {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    });
    const endpoints = await Promise.all(servers.map(listening));
    await using rig = await WorkerRig.start({ protocol: "detect", endpoints });
    await visit(await dial(rig.port));
    assert.deepEqual(await answersOf(rig.port, 4), ["<server 1>", "<server 2>"]);
  });
}

test("a server that speaks first is waited for once, then known", async () => {
  const server = net.createServer((socket) => {
    socket.on("error", () => undefined);
    socket.write("220 mail ready\r\n");
    socket.on("data", () => socket.end("250 ok\r\n"));
  });
  const endpoint = await listening(server);
  await using rig = await WorkerRig.start({ protocol: "detect", endpoints: [endpoint] });
  const waits: number[] = [];
  for (let round = 0; round < 6; round++) {
    const socket = await dial(rig.port);
    const started = performance.now();
    assert.equal(String(await once(socket, "data")), "220 mail ready\r\n");
    waits.push(performance.now() - started);
    socket.write("HELO a\r\n");
    assert.equal(String(await once(socket, "data")), "250 ok\r\n");
    await once(socket, "close");
  }
  const [first = 0, ...later] = waits;
  assert.ok(first >= LOOK_MS, `the first waited ${first} ms only`);
  assert.ok(Math.min(...later) < LOOK_MS, `nothing was learned: ${later}`);
  server.close();
});
