/** The lines of docs/http.md through a real worker: what a server or a client gets, and which rule the metric names. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { bytesOf, type OddCase, oddCases } from "../conformance/http1/odd-cases.ts";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

const HEAD_END = "\r\n\r\n";

/** A server that answers the head of a request with `answer`, and what it got. */
class RawServer implements AsyncDisposable {
  answer: Buffer = Buffer.from(
    `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close${HEAD_END}`,
  );
  received = "";
  open = 0;
  readonly #server: net.Server;

  constructor() {
    this.#server = net.createServer((socket) => {
      this.open++;
      socket.setEncoding("latin1").on("error", () => undefined);
      socket.on("close", () => this.open--);
      socket.on("data", (text) => {
        const had = this.received.includes(HEAD_END);
        this.received += text;
        if (!had && this.received.includes(HEAD_END)) socket.write(this.answer);
      });
    });
  }

  async port(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as net.AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** Sends bytes and returns what comes back, up to the end of a head and all that came with it. */
async function ask(port: number, bytes: Uint8Array | string): Promise<string> {
  const socket = net.connect({ host: VIP, port, localAddress: POD });
  let text = "";
  socket.on("error", () => undefined);
  socket.setEncoding("latin1").on("data", (chunk) => {
    text += chunk;
  });
  socket.write(bytes);
  await until("an answer", () => text.includes(HEAD_END));
  socket.destroy();
  return text;
}

/** The head that should arrive. */
function expected(odd: Exclude<OddCase, { outcome: "refused" }>): string {
  if (odd.outcome === "normalised") return odd.forwarded;
  const text = bytesOf(odd).toString("latin1");
  return text.slice(0, text.indexOf(HEAD_END) + HEAD_END.length);
}

function select(kind: OddCase["kind"]): readonly OddCase[] {
  return oddCases().filter((odd) => odd.kind === kind);
}

test("the server gets every odd request as the table says, and the metric names the rule of what is refused", async () => {
  await using server = new RawServer();
  const endpoints = [{ address: "127.0.0.1", port: await server.port() }];
  await using rig = await WorkerRig.start({ endpoints });
  for (const odd of select("request")) {
    server.received = "";
    const rule = odd.outcome === "refused" ? odd.rule : "";
    const before = rig.count("refused", rule);
    const answer = await ask(rig.port, bytesOf(odd));
    if (odd.outcome === "refused") {
      assert.match(answer, /^HTTP\/1\.1 (?:400|431|501|505) /, odd.what);
      await until(`${odd.what}: ${rule}`, () => rig.count("refused", rule) === before + 1);
      continue;
    }
    assert.match(answer, /^HTTP\/1\.1 200 /, odd.what);
    assert.equal(server.received.slice(0, expected(odd).length), expected(odd), odd.what);
  }
});

test("the client gets every odd answer as the table says, and the metric names the rule of what is refused", async () => {
  await using server = new RawServer();
  const endpoints = [{ address: "127.0.0.1", port: await server.port() }];
  await using rig = await WorkerRig.start({ endpoints });
  for (const odd of select("response")) {
    // A trailer that is refused comes behind a head that has been forwarded.
    if (odd.outcome === "refused" && odd.rule === "trailer") continue;
    server.received = "";
    server.answer = bytesOf(odd);
    const before = odd.outcome === "refused" ? rig.count("refused", odd.rule) : 0;
    const answer = await ask(rig.port, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    if (odd.outcome === "refused") {
      assert.match(answer, /^HTTP\/1\.1 502 /, odd.what);
      await until(`${odd.what}: ${odd.rule}`, () => rig.count("refused", odd.rule) === before + 1);
    } else assert.equal(answer.slice(0, expected(odd).length), expected(odd), odd.what);
  }
});

for (const [what, head] of Object.entries({
  "both lengths": "200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked",
  "204 with a length": "204 No Content\r\nContent-Length: 5",
  "204 with a coding": "204 No Content\r\nTransfer-Encoding: chunked",
}))
  test(`a connection that answered with ${what} is not used again`, async () => {
    await using server = new RawServer();
    server.answer = Buffer.from(
      `HTTP/1.1 ${head}${HEAD_END}${head.startsWith("200") ? "0\r\n\r\n" : ""}`,
    );
    const endpoints = [{ address: "127.0.0.1", port: await server.port() }];
    await using rig = await WorkerRig.start({ endpoints });
    const client = net.connect({ host: VIP, port: rig.port, localAddress: POD });
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const [answer] = await once(client.setEncoding("latin1"), "data");
    assert.match(answer, /^HTTP\/1\.1 20[04] /);
    assert.doesNotMatch(answer, /connection: close/i);
    await until("the upstream connection to end", () => server.open === 0);
    server.received = "";
    client.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await once(client, "data");
    client.destroy();
  });
