/** The server that any pod can reach, of control and of the agent, when somebody holds all connections that it takes. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { until } from "../../test/support/until.ts";
import { createGetServer, json, text } from "./get-server.ts";

const MOST_CONNECTIONS = 64;

/** A server that is locked answers nobody: that must fail, not hang. */
const LIMIT = { timeout: 20_000 };

function fail(_path: string, error: unknown): never {
  throw error;
}

test(
  "who was silent longest makes room, who comes is answered, who asks keeps its own",
  LIMIT,
  async (t) => {
    const routes = new Map([["/live", () => text(200, "alive")]]);
    const server = createGetServer({ routes, onError: fail });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const sockets: Socket[] = [];
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const open = async (): Promise<Socket> => {
      const socket = connect(port, "127.0.0.1");
      sockets.push(socket);
      socket.on("error", () => undefined);
      await once(socket, "connect");
      return socket;
    };
    const ask = async (socket: Socket): Promise<string> => {
      socket.write("GET /live HTTP/1.1\r\nHost: a\r\n\r\n");
      const [answer] = (await once(socket, "data")) as [Buffer];
      return answer.toString();
    };
    const asking = await open();
    for (let i = 0; i < 3 * MOST_CONNECTIONS; i++) {
      await open();
      if (i % 16 === 0) assert.match(await ask(asking), /^HTTP\/1.1 200 /);
    }
    assert.match(await ask(await open()), /^HTTP\/1.1 200 .*alive/s);
    assert.match(await ask(asking), /^HTTP\/1.1 200 /);
    const count = (): number => sockets.filter((socket) => !socket.destroyed).length;
    await until("the oldest are closed", () => count() === MOST_CONNECTIONS);
  },
);

test("a page shows foreign words and lets no terminal obey them", () => {
  assert.equal(json({ a: "\u009b\u202e" }).body, '{"a":"\\u009b\\u202e"}\n');
  assert.equal(text(404, "try \u009b").body, "try \\u009b\n");
});

test("JSON has maps as objects", () => {
  assert.equal(json({ a: new Map([["b", [1]]]) }).body, '{"a":{"b":[1]}}\n');
});
