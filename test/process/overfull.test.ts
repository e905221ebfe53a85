/** Servers that are too busy to take connections: their backlog is full, so the kernel drops SYNs and says nothing. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { openListener } from "../../agent/engine/listen.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import { dial, OK, serve } from "../support/byte-peers.ts";
import { until } from "../support/until.ts";
import { type RigService, WorkerRig } from "../support/worker-rig.ts";

const ADDRESS = "127.0.0.1";
/** After that another endpoint is tried, too. Far below a second, when the kernel sends a SYN again. */
const CONNECT_MS = 200;
/** How long the servers are too busy; longer than CONNECT_MS for each endpoint. */
const BUSY_MS = 700;
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";

/** A server that takes nothing until it is told to. */
class Overfull implements Disposable {
  readonly endpoint: { readonly address: string; readonly port: number };
  readonly #fd: number;
  readonly #filler: net.Socket;
  readonly #server: net.Server;
  readonly #sockets: net.Socket[] = [];

  private constructor(fd: number, port: number) {
    this.#fd = fd;
    this.endpoint = { address: ADDRESS, port };
    this.#filler = net.connect(port, ADDRESS);
    this.#server = net.createServer((socket) => {
      this.#sockets.push(socket);
      socket.on("data", () => socket.write(OK));
    });
  }

  /** With room for one connection, which is there. */
  static async start(): Promise<Overfull> {
    const system = new Sockets();
    const fd = openListener(system, { at: { ip: ADDRESS, port: 0 }, backlog: 0 });
    const address = system.localAddress(fd);
    assert.ok(typeof address === "object");
    const made = new Overfull(fd, address.port);
    await once(made.#filler, "connect");
    return made;
  }

  /** Takes whoever came and comes. */
  accept(): void {
    this.#server.listen({ fd: this.#fd });
  }

  [Symbol.dispose](): void {
    this.#filler.destroy();
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) this.#server.close();
    else new Sockets().close(this.#fd);
  }
}

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
