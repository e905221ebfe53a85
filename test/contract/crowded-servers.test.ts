/** The servers that any pod can reach, of control and of the agent, when somebody holds all connections that they take. */

import assert from "node:assert/strict";
import { once } from "node:events";
import type { Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { text as agentText, createGetServer } from "../../agent/telemetry/get-server.ts";
import { readOnlyServer, text } from "../../control/http.ts";
import { until } from "../support/until.ts";

const MOST_CONNECTIONS = 64;
/** A server that is locked answers nobody: that must fail, not hang. */
const LIMIT = { timeout: 20_000 };

test(
  "control: who was silent longest makes room, a probe is answered, who asks keeps its own",
  LIMIT,
  (t) => holdsWhenCrowded(t, readOnlyServer({ "/live": () => text(200, "alive") })),
);

test(
  "agent: who was silent longest makes room, a scraper is answered, who asks keeps its own",
  LIMIT,
  (t) => {
    const routes = new Map([["/live", () => agentText(200, "alive")]]);
    return holdsWhenCrowded(
      t,
      createGetServer({ routes, onError: (_, error) => assert.fail(error as Error) }),
    );
  },
);

async function holdsWhenCrowded(t: TestContext, server: Server): Promise<void> {
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
}
