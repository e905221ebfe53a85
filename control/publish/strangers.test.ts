/** Connections that never say anything that counts, over real sockets. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { until } from "../../test/support/until.ts";
import type { StreamAdmission } from "../admission/gate.ts";
import { AgentRegistry } from "./agents.ts";
import { Publisher } from "./publisher.ts";
import { PublishServer } from "./server.ts";
import type { CutReason } from "./strangers.ts";

const LIMIT = { timeout: 60_000 };

async function startServer(t: TestContext, strangerMs: number) {
  const cut: CutReason[] = [];
  const publisher = new Publisher("e1");
  publisher.publish({ workloads: new Map(), services: new Map() });
  const server = new PublishServer({
    ...{ publisher, agents: new AgentRegistry(() => new Date()), strangerMs },
    admit: async (_, token): Promise<StreamAdmission> =>
      token === "good"
        ? { kind: "admitted", againMs: 60_000 }
        : { kind: "refused", status: 401, problem: "no" },
    onCut: (reason) => cut.push(reason),
  });
  server.server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  t.after(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const open = async (localAddress = "127.0.0.1"): Promise<Socket> => {
    const socket = connect({ port, host: "127.0.0.1", localAddress });
    socket.on("error", () => {}).resume();
    t.after(() => socket.destroy());
    await once(socket, "connect");
    return socket;
  };
  const session = () => {
    const one = connectHttp2(`http://127.0.0.1:${port}`).on("error", () => {});
    t.after(() => one.destroy());
    return one;
  };
  return { cut, open, session };
}

function ask(session: ReturnType<typeof connectHttp2>, authorization: string, node = "n1") {
  const path = `/v1/snapshots?node=${node}`;
  const request = session.request({ ":method": "POST", ":path": path, authorization });
  const { promise, resolve } = Promise.withResolvers<number>();
  request.on("response", (headers) => resolve(Number(headers[":status"])));
  request.on("error", () => resolve(0));
  request.on("close", () => resolve(0));
  request.resume().end();
  return promise;
}

describe("connections that were not admitted", () => {
  test("are cut when they are late, whether or not they begin to speak", LIMIT, async (t) => {
    const { cut, open, session } = await startServer(t, 500);
    const silent = await open();
    const half = await open();
    half.write("PRI * HTTP/2.0\r\n");
    const agent = session();
    assert.equal(await ask(agent, "good"), 200);
    await until("both are gone", () => silent.destroyed && half.destroyed);
    assert.deepEqual(cut, ["late", "late"]);
    assert.equal(agent.destroyed, false);
  });

  test(
    "are few of one address; the oldest makes room, and another address keeps its own",
    LIMIT,
    async (t) => {
      const { cut, open, session } = await startServer(t, 60_000);
      const agent = session();
      assert.equal(await ask(agent, "good"), 200);
      const other = await open("127.0.0.2");
      const sockets: Socket[] = [];
      for (let i = 0; i < 200; i++) {
        sockets.push(await open());
        // Not faster than an address may.
        if (i >= 64) await new Promise((resolve) => setTimeout(resolve, 15));
      }
      const alive = (): number => sockets.filter((one) => !one.destroyed).length;
      await until("the rest is gone", () => alive() === 128);
      assert.ok(sockets.slice(0, 72).every((one) => one.destroyed));
      assert.deepEqual([other.destroyed, agent.destroyed], [false, false]);
      assert.deepEqual(new Set(cut), new Set(["address"]));
      const newer = session();
      assert.equal(await ask(newer, "good"), 200);
    },
  );

  test("are not opened without end: a flood is cut before its handshakes", LIMIT, async (t) => {
    const { cut, open, session } = await startServer(t, 60_000);
    const from = performance.now();
    for (let i = 0; i < 2_000; i++) await open();
    const most = 1_024 + ((performance.now() - from) / 1_000) * 200 + 1;
    await until("the flood is cut", () => cut.length >= 2_000 - most);
    assert.ok(cut.filter((reason) => reason === "rate").length >= 2_000 - most, `${most}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal(await ask(session(), "good"), 200);
  });

  test("are not many in all; of the address that has most the oldest goes", LIMIT, async (t) => {
    const { cut, open } = await startServer(t, 60_000);
    const few = await open("127.0.1.1");
    const sockets: Socket[] = [];
    for (let i = 0; i < 1_100; i++) sockets.push(await open(`127.0.0.${2 + (i % 20)}`));
    const alive = (): number => sockets.filter((one) => !one.destroyed).length;
    await until("the rest is gone", () => alive() === 1_023);
    assert.equal(few.destroyed, false);
    assert.deepEqual(new Set(cut), new Set(["all"]));
  });

  test("are cut soon after a refusal, and when they ask for too much before", LIMIT, async (t) => {
    const { cut, session } = await startServer(t, 60_000);
    const refused = session();
    assert.equal(await ask(refused, "junk"), 401);
    await until("it is gone", () => refused.destroyed);
    assert.deepEqual(cut, ["refused"]);
    const busy = session();
    for (let i = 0; i < 32; i++) assert.equal(await ask(busy, "good", "NOT-A-NODE"), 400);
    assert.equal(await ask(busy, "good", "NOT-A-NODE"), 0);
    await until("it is gone too", () => busy.destroyed);
    assert.deepEqual(cut, ["refused", "streams"]);
  });
});

test("a node has a few connections: the oldest of more is cut", LIMIT, async (t) => {
  const { cut, session } = await startServer(t, 60_000);
  const all = [session(), session(), session(), session(), session()];
  for (const one of all) assert.equal(await ask(one, "good"), 200);
  await until("the oldest is gone", () => all[0]?.destroyed === true);
  assert.deepEqual(
    all.map((one) => one.destroyed),
    [true, false, false, false, false],
  );
  assert.deepEqual(cut, ["node"]);
});
