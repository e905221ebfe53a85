import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { test } from "node:test";
import { until } from "../test/support/until.ts";
import { readOnlyServer, text } from "./http.ts";

const MOST_CONNECTIONS = 64;

test("the connections that were silent longest make room: a probe is answered, who asks keeps its own", async (t) => {
  const server = readOnlyServer({ "/live": () => text(200, "alive") });
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
});
