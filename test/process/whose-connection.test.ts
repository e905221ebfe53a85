/** A client connection that sends to several endpoints uses its own connections again, and nobody else does. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class Server implements AsyncDisposable {
  /** All connections, in the order in which they came. */
  readonly sockets: net.Socket[] = [];
  /** What it does with a connection. */
  talk: (socket: net.Socket) => void = (socket) => socket.on("data", () => socket.write(OK));
  readonly #server: net.Server;

  private constructor() {
    this.#server = net.createServer((socket) => {
      this.sockets.push(socket);
      socket.on("error", () => undefined);
      this.talk(socket);
    });
  }

  static async start(): Promise<Server> {
    const made = new Server();
    made.#server.listen(0, "127.0.0.1");
    await once(made.#server, "listening");
    return made;
  }

  get endpoint(): { readonly address: string; readonly port: number } {
    const { port } = this.#server.address() as net.AddressInfo;
    return { address: "127.0.0.1", port };
  }

  /** Connections that the agent has not ended. */
  get open(): number {
    return this.sockets.filter(({ readableEnded }) => !readableEnded).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }
}

class Client {
  readonly #socket: net.Socket;
  #text = "";

  constructor(rig: WorkerRig) {
    this.#socket = net.connect({ host: VIP, port: rig.port, localAddress: POD });
    this.#socket.on("data", (bytes) => {
      this.#text += bytes.toString("latin1");
    });
  }

  /** Sends a request and waits for its answer, which must be the server's. */
  async ask(request: string): Promise<void> {
    this.#text = "";
    this.#socket.write(request);
    await until("it is answered", () => this.#text !== "");
    assert.equal(this.#text, OK);
  }

  end(): void {
    this.#socket.end();
  }
}

async function lab(): Promise<{ servers: [Server, Server]; rig: WorkerRig } & AsyncDisposable> {
  const servers: [Server, Server] = [await Server.start(), await Server.start()];
  const rig = await WorkerRig.start({
    balance: { kind: "round-robin" },
    endpoints: servers.map(({ endpoint }) => endpoint),
  });
  return {
    servers,
    rig,
    async [Symbol.asyncDispose]() {
      await rig[Symbol.asyncDispose]();
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

test("POSTs of one client connection to two endpoints take one connection to each, once those are seen to last", async () => {
  await using made = await lab();
  const [first, second] = made.servers;
  const client = new Client(made.rig);
  for (let n = 0; n < 3; n++) await client.ask(POST);
  await until("both were left alone for their time", () => first.open + second.open === 1);
  const before = first.sockets.length + second.sockets.length;
  for (let n = 0; n < 8; n++) await client.ask(POST);
  assert.equal(first.sockets.length + second.sockets.length, before + 1);
  client.end();
  await until("both end with their client", () => first.open + second.open === 0);
});

test("servers that end some milliseconds after their answer lose no POST of a kept client connection", async () => {
  await using made = await lab();
  for (const server of made.servers)
    server.talk = (socket) =>
      socket.once("data", () => {
        socket.write(OK);
        setTimeout(() => socket.end(), 30);
      });
  const client = new Client(made.rig);
  for (let n = 0; n < 100; n++) await client.ask(POST);
  client.end();
});

test("nobody else rides on a connection that carried content, not even while its client is elsewhere", async () => {
  await using made = await lab();
  const [first, second] = [new Client(made.rig), new Client(made.rig)];
  await first.ask(POST);
  await first.ask(POST);
  await second.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  await second.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  assert.deepEqual(
    made.servers.map(({ sockets }) => sockets.length),
    [2, 2],
  );
  first.end();
  second.end();
});

test("a connection that its client has turned away from is free after a second", async () => {
  await using made = await lab();
  const client = new Client(made.rig);
  await client.ask(POST);
  await client.ask(POST);
  // The one used last stays with its client.
  await until("one has ended", () => made.servers.some(({ open }) => open === 0));
  assert.equal(made.servers[0].open + made.servers[1].open, 1);
  client.end();
});
