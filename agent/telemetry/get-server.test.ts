/** The server that any pod can reach, of control and of the agent, when somebody holds all connections that it takes. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { until } from "../../test/support/until.ts";
import {
  type Answer,
  closeServer,
  createGetServer,
  frugally,
  json,
  type Route,
  text,
} from "./get-server.ts";

/** A server that is locked answers nobody: that must fail, not hang. */
const LIMIT = { timeout: 60_000 };
const GET = "GET /live HTTP/1.1\r\nHost: a\r\n\r\n";

function fail(_path: string, error: unknown): never {
  throw error;
}

/** A server whose page counts how often it was asked for, and one of a megabyte. */
async function rig(t: TestContext) {
  const asked = { pages: 0, atATime: 0, most: 0 };
  const live = async (): Promise<Answer> => {
    asked.pages++;
    asked.most = Math.max(asked.most, ++asked.atATime);
    await new Promise(setImmediate);
    asked.atATime--;
    return text(200, "alive");
  };
  const large = "x".repeat(1_000_000);
  const routes = new Map<string, Route>([
    ["/live", live],
    ["/large", () => text(200, large)],
  ]);
  const server = createGetServer({ routes, onError: fail });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  t.after(() => closeServer(server, 0));
  const open = async (localAddress = "127.0.0.1"): Promise<Client> => {
    const socket = connect({ port, host: "127.0.0.1", localAddress, allowHalfOpen: true });
    const client: Client = { socket, got: "" };
    t.after(() => socket.destroy());
    socket.on("error", () => undefined).setEncoding("latin1");
    socket.on("data", (piece: string) => {
      client.got += piece;
    });
    await once(socket, "connect");
    return client;
  };
  return { asked, open };
}

interface Client {
  readonly socket: Socket;
  got: string;
}

async function ask(client: Client): Promise<string> {
  client.got = "";
  client.socket.write(GET);
  await until("an answer", () => client.got.includes("alive") || client.socket.destroyed);
  return client.got;
}

function answersIn({ got }: Client): number {
  return got.split("HTTP/1.1 200").length - 1;
}

describe("connections", { concurrency: true }, () => {
  test(
    "who was silent longest makes room, who comes is answered, who asks keeps its own",
    LIMIT,
    async (t) => {
      const { open } = await rig(t);
      const asking = await open();
      const other = await open("127.0.0.9");
      const silent: Client[] = [];
      for (let i = 0; i < 100; i++) {
        silent.push(await open());
        if (i % 16 === 0) assert.match(await ask(asking), /^HTTP\/1.1 200 /);
      }
      assert.match(await ask(asking), /^HTTP\/1.1 200 /);
      const alive = (): number => silent.filter(({ socket }) => !socket.readableEnded).length;
      await until("an address has 32", () => alive() === 31);
      for (let i = 0; i < 100; i++) silent.push(await open(`127.0.1.${1 + (i % 10)}`));
      assert.match(await ask(other), /^HTTP\/1.1 200 /, "an address with one keeps it");
      await until("all have 64", () => alive() === 62);
      assert.match(await ask(await open("127.0.2.1")), /^HTTP\/1.1 200 /);
    },
  );

  test(
    "many requests at a time are answered one by one, and not faster than 200 a second",
    LIMIT,
    async (t) => {
      const { asked, open } = await rig(t);
      const flood = await open();
      const from = performance.now();
      flood.socket.write(GET.repeat(1_500));
      await until("some are answered", () => answersIn(flood) >= 40);
      const rate = (answersIn(flood) / (performance.now() - from)) * 1_000;
      assert.ok(rate < 300, `${rate} a second`);
      assert.equal(asked.most, 1);
      const before = asked.pages;
      const other = await open("127.0.0.9");
      assert.match(await ask(other), /^HTTP\/1.1 200 /);
      assert.ok(asked.pages - before < 200, "another address has the next turn but one");
    },
  );

  test("who does not read its answer is cut, and costs no other answer", LIMIT, async (t) => {
    const { open } = await rig(t);
    const slow: Client[] = [];
    for (let i = 0; i < 20; i++) {
      const client = await open();
      client.socket.pause();
      client.socket.write("GET /large HTTP/1.1\r\nHost: a\r\n\r\n".repeat(50));
      slow.push(client);
    }
    const other = await open("127.0.0.9");
    for (let i = 0; i < 3; i++) assert.match(await ask(other), /^HTTP\/1.1 200 /);
    await until("they are gone", () => {
      for (const { socket } of slow) socket.write("\r\n");
      return slow.every(({ socket }) => socket.destroyed);
    });
  });

  test(
    "who has said all it wants is answered, and who sends no head in time is cut",
    LIMIT,
    async (t) => {
      const { open } = await rig(t);
      const half = await open();
      half.socket.end(GET);
      await once(half.socket, "end");
      assert.match(half.got, /^HTTP\/1.1 200 .*alive/s);
      const never = await open();
      never.socket.write("GET /live HTTP/1.1\r\n");
      await once(never.socket, "end");
      assert.equal(never.got, "");
    },
  );

  test("what is no request is told so, and the connection ends", LIMIT, async (t) => {
    const { open } = await rig(t);
    const cases: readonly (readonly [string, number])[] = [
      ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
      ["\u0016\u0003\u0001 hello\r\n\r\n", 400],
      ["GET /live\r\n\r\n", 400],
      ["GET /live HTTP/1.1\r\nno field\r\n\r\n", 400],
      ["GET /live HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 400],
      ["GET /live HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
      ["POST /live HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", 405],
      [`GET /live HTTP/1.1\r\nx: ${"x".repeat(9_000)}\r\n\r\n`, 431],
      ["GET /live HTTP/1.0\r\n\r\n", 200],
      ["GET /live HTTP/1.1\r\nConnection: close\r\n\r\n", 200],
    ];
    for (const [words, status] of cases) {
      const client = await open();
      client.socket.write(words, "latin1");
      await once(client.socket, "end");
      assert.match(client.got, new RegExp(`^HTTP/1.1 ${status} .*connection: close`, "s"), words);
      assert.equal(client.got.split("connection: close").length, 2);
    }
  });

  test("a head has as many pieces as it likes, and HEAD has no body", LIMIT, async (t) => {
    const { open } = await rig(t);
    const client = await open();
    for (const letter of GET) {
      client.socket.write(letter);
      await new Promise(setImmediate);
    }
    await until("an answer", () => client.got.includes("alive"));
    client.got = "";
    client.socket.write(`HEAD${GET.slice(3)}${GET}`);
    await until("two answers", () => answersIn(client) === 2);
    assert.equal(client.got.split("alive").length, 2);
    assert.match(client.got, /content-length: 6\r\n\r\nHTTP/);
  });
});

test("a page that costs much is shown as it was made last", () => {
  let made = 0;
  const route = frugally(() => {
    made++;
    const until = performance.now() + 100;
    while (performance.now() < until);
    return text(200, String(made));
  });
  const request = {} as Parameters<Route>[0];
  const bodies = Array.from({ length: 100 }, () =>
    route(request, { address: "", destroyed: false }),
  );
  assert.ok(made < 10, `${made}`);
  assert.equal(bodies.length, 100);
});

test("a page shows foreign words and lets no terminal obey them", () => {
  assert.equal(json({ a: "\u009b\u202e" }).body, '{"a":"\\u009b\\u202e"}\n');
  assert.equal(text(404, "try \u009b").body, "try \\u009b\n");
});

test("JSON has maps as objects", () => {
  assert.equal(json({ a: new Map([["b", [1]]]) }).body, '{"a":{"b":[1]}}\n');
});
