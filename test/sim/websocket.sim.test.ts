/** WebSockets through the HTTP path of two agents: Node's own client, a server that checks every frame, IPv4 and IPv6. */

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { WebSocketReport } from "../netns/peers/websocket-client.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import type { PodPeer } from "../support/pod-peer.ts";

const CLIENT: string = fileURLToPath(
  new URL("../netns/peers/websocket-client.ts", import.meta.url),
);
const SERVER: string = fileURLToPath(
  new URL("../netns/peers/websocket-server.ts", import.meta.url),
);
const ENROLLED = { "mesh/enabled": "true" };
const MANIFESTS =
  idlePod("client", "node-1", ENROLLED) +
  idlePod("server", "node-2", ENROLLED) +
  serviceOf("server", { http: [80, "http"] });

let lab: MeshLab;
let server: ChildProcess;
let client: PodPeer;
let vips: readonly string[];

before(async () => {
  lab = await MeshLab.start("websocket", MANIFESTS);
  const { services } = await lab.status();
  vips = services.find(({ name }) => name === "server")?.clusterIPs ?? [];
  client = lab.peer("client");
  const [program, ...args] = lab.command("server", process.execPath, SERVER, "80");
  server = spawn(program, args, { stdio: ["pipe", "pipe", "inherit"] });
  assert.ok(server.stdout);
  assert.equal(String((await once(server.stdout, "data"))[0]), "listening\n");
});

after(async () => {
  await client[Symbol.asyncDispose]();
  const ended = once(server, "exit");
  server.stdin?.end();
  await ended;
  await lab[Symbol.asyncDispose]();
});

for (const family of [4, 6]) {
  for (const side of ["client", "server"]) {
    test(`text, 1 MB of binary, and the ${side} closes (IPv${family})`, async () => {
      const before = await upgrades();
      const url = `ws://${host(family)}/chat`;
      const ran = await lab.exec("client", process.execPath, CLIENT, url, side);
      assert.equal(ran.code, 0, ran.stderr);
      const report = JSON.parse(ran.stdout) as WebSocketReport;
      assert.equal(report.binaryEchoed, report.binarySent);
      assert.deepEqual(
        [report.protocol, report.text, report.binaryBytes],
        ["chat", "grüße", 1 << 20],
      );
      const expected = side === "client" ? [4000, "client says so"] : [4001, "server says so"];
      assert.deepEqual(
        [report.closed.code, report.closed.reason, report.closed.clean],
        [...expected, true],
      );
      assert.equal((await upgrades()) - before, 1, "it did not go through the HTTP path");
    });
  }

  test(`a frame right behind the upgrade request is not lost (IPv${family})`, async () => {
    const ip = host(family).replace(/[[\]]/g, "");
    const socket = await client.connect(ip, 80);
    const key = Buffer.alloc(16, 7).toString("base64");
    const head = [
      "GET /chat HTTP/1.1",
      "Host: server",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
    ];
    await socket.write(`${head.join("\r\n")}\r\n\r\n${masked("early bird")}`);
    const { text: answer } = await socket.read(answerBytes(key));
    assert.equal(answer, `${answerHead(key)}\u0081\u000aearly bird`);
    // Both sides go on: the tunnel is no half-way house.
    await socket.write(masked("again"));
    assert.deepEqual(await socket.read(7), { text: "\u0081\u0005again", ended: "open" });
    await socket.end();
    assert.equal((await socket.read()).ended, "fin");
  });

  test(`a refused upgrade reaches the client with the field that says why (IPv${family})`, async () => {
    const socket = await client.connect(host(family).replace(/[[\]]/g, ""), 80);
    await socket.write(
      "GET /refused HTTP/1.1\r\nHost: s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    const { text } = await socket.read(1);
    assert.match(
      text,
      /^HTTP\/1\.1 426 Upgrade Required\r\nUpgrade: other\r\n[\s\S]*\r\n\r\nno\n$/,
    );
    await socket.end();
    assert.equal((await socket.read()).ended, "fin");
  });
}

function host(family: number): string {
  const found = vips.find((address) => address.includes(":") === (family === 6));
  assert.ok(found);
  return family === 6 ? `[${found}]` : found;
}

/** A client's text frame, masked with zeros (RFC 6455 section 5.3 asks for a mask, not for a good one). */
function masked(text: string): string {
  return `\u0081${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`;
}

function answerHead(key: string): string {
  const accept = createHash("sha1")
    .update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;
}

function answerBytes(key: string): number {
  return answerHead(key).length + 2 + "early bird".length;
}

/** Answers 101 that the client's agent counted. */
async function upgrades(): Promise<number> {
  return (await lab.metrics("node-1"))
    .split("\n")
    .filter((line) => line.startsWith("nodemesh_http_requests_total{"))
    .filter((line) => line.includes('reporter="source"') && line.includes('code="101"'))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
