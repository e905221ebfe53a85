/** Servers that are too busy to take connections: their backlog is full, so the kernel drops SYNs and says nothing. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { dial, OK, serve } from "../support/byte-peers.ts";
import { Overfull } from "../support/overfull.ts";
import { until } from "../support/until.ts";
import { type RigService, WorkerRig } from "../support/worker-rig.ts";

/** After that another endpoint is tried, too. Far below a second, when the kernel sends a SYN again. */
const CONNECT_MS = 200;
/** How long the servers are too busy; longer than CONNECT_MS for each endpoint. */
const BUSY_MS = 700;
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

for (const protocol of ["http", "tcp"] as const) {
  test(`${protocol}: who has nobody else to try waits for an overfull server as long as the kernel would`, async () => {
    using only = await Overfull.start();
    await answeredBy(only, { protocol, endpoints: [only.endpoint] });
  });

  test(`${protocol}: of two overfull servers either may take the connection first`, async () => {
    using first = await Overfull.start();
    using second = await Overfull.start();
    await answeredBy(first, { protocol, endpoints: [first.endpoint, second.endpoint] });
  });
}

/** Asks while all endpoints are too busy, and is answered as soon as one of them is not. */
async function answeredBy(server: Overfull, service: RigService): Promise<void> {
  await using rig = await WorkerRig.start(service, { timeouts: { connectMs: CONNECT_MS } });
  const client = dial(rig);
  client.socket.write(POST);
  setTimeout(() => server.accept(), BUSY_MS);
  await until("it is answered, or ends", () => client.text !== "" || client.ended !== "open");
  assert.equal(client.text, OK);
  client.socket.destroy();
}

test("a server that is free is asked while the overfull one's SYN goes on", async () => {
  using busy = await Overfull.start();
  using free = await serve((socket) => socket.on("data", () => socket.write(OK)));
  const timeouts = { connectMs: CONNECT_MS };
  const endpoints = [busy.endpoint, { ...free.endpoint, state: "draining" as const }];
  await using rig = await WorkerRig.start({ endpoints }, { timeouts });
  const client = dial(rig);
  const began = performance.now();
  client.socket.write(POST);
  await until("it is answered", () => client.text !== "");
  const tookMs = performance.now() - began;
  assert.equal(client.text, OK);
  assert.ok(tookMs >= CONNECT_MS - 50, `${tookMs} ms: the overfull one was not tried first`);
  client.socket.destroy();
});

test("control away: what was dialled is tried besides a server that says nothing", async () => {
  using only = await Overfull.start();
  const timeouts = { connectMs: CONNECT_MS };
  await using rig = await WorkerRig.start({ endpoints: [only.endpoint] }, { timeouts });
  await rig.workers.control(true);
  const client = dial(rig);
  client.socket.write(POST);
  await until("the worker says so", () => rig.fallbacks.length === 1);
  client.socket.destroy();
});
