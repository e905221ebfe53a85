/** What strangers may put on the agents' port in place of HTTP/2: an agent that is there goes on following, and they are cut. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { AgentRegistry } from "../../control/publish/agents.ts";
import { Publisher } from "../../control/publish/publisher.ts";
import { PublishServer } from "../../control/publish/server.ts";
import { until } from "../support/until.ts";
import { partsOf, startAgent, Witness } from "./control-link.ts";

const LIMIT = { timeout: 60_000 };
const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  window: 8,
  more: 9,
};
const END_HEADERS = 4;

function frame(
  type: number,
  flags: number,
  stream: number,
  body: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
}

function many(count: number, make: (index: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => make(index)));
}

/** `:method: POST` and `:scheme: http` by their numbers in HPACK's table, `:path: /v1/snapshots?node=n2` in letters. */
function request(): Buffer {
  const path = Buffer.from("/v1/snapshots?node=n2");
  const authority = Buffer.from("x");
  return Buffer.concat([
    Buffer.from([0x83, 0x86, 0x04, path.length]),
    path,
    Buffer.from([0x01, authority.length]),
    authority,
  ]);
}

const SETTINGS = frame(TYPE.settings, 0, 0);
const NUMBER = Buffer.from([0xff, 0xff, 0xff, 0xff]);

/** What comes after the preface. */
const FLOODS: Readonly<Record<string, Buffer>> = {
  "settings again and again": many(50_000, () => SETTINGS),
  "pings again and again": many(50_000, () => frame(TYPE.ping, 0, 0, Buffer.alloc(8))),
  "requests that are reset at once": many(20_000, (i) =>
    Buffer.concat([
      frame(TYPE.headers, END_HEADERS, 2 * i + 1, request()),
      frame(TYPE.reset, 0, 2 * i + 1, Buffer.alloc(4)),
    ]),
  ),
  "a head that never ends": Buffer.concat([
    frame(TYPE.headers, 0, 1, request()),
    many(20_000, () => frame(TYPE.more, 0, 1, Buffer.from([0x00, 0x01, 0x61, 0x01, 0x62]))),
  ]),
  "data that nobody reads": Buffer.concat([
    frame(TYPE.headers, END_HEADERS, 1, request()),
    many(500, () => frame(TYPE.data, 0, 1, Buffer.alloc(16_384))),
  ]),
  "a window that is too large": many(3, () => frame(TYPE.window, 0, 0, NUMBER)),
  "frames of no known type": many(50_000, () => frame(0xee, 0xff, 0, Buffer.alloc(16))),
  "a frame longer than frames may be": frame(TYPE.data, 0, 1, Buffer.alloc(1 << 20)),
  "streams that depend on themselves": many(10_000, (i) =>
    frame(TYPE.priority, 0, 2 * i + 1, Buffer.from([0, 0, 0, (2 * i + 1) & 0xff, 0])),
  ),
  "nothing more": Buffer.alloc(0),
};

async function rig(t: TestContext) {
  const witness = new Witness();
  const publisher = new Publisher("e1");
  publisher.publish(partsOf(["a"]));
  const agents = new AgentRegistry(() => new Date());
  let reviews = 0;
  const server = new PublishServer({
    ...{ publisher, agents, pingMs: 2_000, strangerMs: 2_000 },
    admit: async (node) => {
      reviews++;
      return node === "n1"
        ? { kind: "admitted", againMs: 600_000 }
        : { kind: "refused", status: 401, problem: "no" };
    },
    onAck: () => witness.changed(),
  });
  server.server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  t.after(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const agent = startAgent(port, witness, { pingMs: 2_000 });
  t.after(() => agent[Symbol.asyncDispose]());
  await witness.until("an agent", () => agents.get("n1")?.acked?.version === 1);
  const stranger = async (words: Buffer): Promise<Socket> => {
    const socket = connect(port, "127.0.0.1");
    t.after(() => socket.destroy());
    socket.on("error", () => undefined).resume();
    await once(socket, "connect");
    socket.write(words);
    return socket;
  };
  return { publisher, agents, agent, stranger, reviews: () => reviews };
}

describe("a stranger sends", () => {
  for (const [what, frames] of Object.entries(FLOODS))
    test(what, LIMIT, async (t) => {
      const { publisher, agents, agent, stranger, reviews } = await rig(t);
      const before = process.memoryUsage.rss();
      const sockets: Socket[] = [];
      for (let i = 0; i < 10; i++)
        sockets.push(await stranger(Buffer.concat([PREFACE, SETTINGS, frames])));
      publisher.publish(partsOf(["a", "b"]));
      await until("the agent follows", () => agents.get("n1")?.acked?.version === 2);
      await until("they are cut", () => sockets.every(({ destroyed }) => destroyed));
      assert.deepEqual(
        agent.statuses.filter(({ kind }) => kind === "lost"),
        [],
      );
      assert.ok(reviews() <= 1 + 10, `${reviews()} questions`);
      const grown = (process.memoryUsage.rss() - before) / 1e6;
      assert.ok(grown < 300, `${grown} MB more`);
    });

  test("no HTTP/2 at all", LIMIT, async (t) => {
    const { publisher, agents, stranger } = await rig(t);
    const sockets = [
      await stranger(Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n")),
      await stranger(Buffer.alloc(1 << 20, 0xff)),
      await stranger(PREFACE.subarray(0, 10)),
    ];
    publisher.publish(partsOf(["a", "b"]));
    await until("the agent follows", () => agents.get("n1")?.acked?.version === 2);
    await until("they are cut", () => sockets.every(({ destroyed }) => destroyed));
  });
});
