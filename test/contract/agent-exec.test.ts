/**
 * `nodemesh agent PAGE --node NODE`: a server that plays the API server's exec runs the very command that it is asked
 * for, against a real admin socket.
 */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { after, before, test } from "node:test";
import { Command } from "commander";
import { stringify } from "yaml";
import { startAdmin } from "../../agent/admin/admin.ts";
import { EMPTY_SNAPSHOT } from "../../agent/model/snapshot.ts";
import { addAgent } from "../../control/cli/agent.ts";

const PODS = "/api/v1/namespaces/nodemesh/pods";
const POD = {
  metadata: { name: "nodemesh-agent-a" },
  spec: { nodeName: "n1", containers: [] },
  status: { phase: "Running" },
};

const folder = mkdtempSync(join(tmpdir(), "nodemesh-exec-"));
const socket = join(folder, "agent.sock");
const kubeconfig = join(folder, "kubeconfig");
const opened = new AsyncDisposableStack();

/** How the next exec goes: as it should, forbidden, or cut before its end. */
let mood: "well" | "forbidden" | "cut" = "well";

const server = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://server");
  const list = pathname === PODS;
  response.writeHead(list ? 200 : mood === "forbidden" ? 403 : 400);
  response.end(JSON.stringify(list ? { items: [POD] } : { message: "you may not exec" }));
});

server.on("upgrade", (request, stream: Duplex) => {
  const { pathname, searchParams } = new URL(request.url ?? "/", "http://server");
  assert.equal(pathname, `${PODS}/nodemesh-agent-a/exec`);
  assert.equal(searchParams.get("container"), "agent");
  assert.equal(request.headers.authorization, "Bearer word");
  assert.match(request.headers["sec-websocket-protocol"] ?? "", /^v5\.channel\.k8s\.io, ?v4/);
  if (mood === "forbidden") {
    stream.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    return;
  }
  const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash("sha1").update(key).digest("base64");
  stream.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n`,
  );
  if (mood === "cut") {
    stream.end();
    return;
  }
  // In the image its Node lies elsewhere; all else is run as it was asked for.
  const [program, ...args] = searchParams.getAll("command");
  assert.equal(program, "/nodemesh/node");
  execFile(process.execPath, args, (error, out, err) => {
    // In two messages, as a container's writes may come.
    const half = Math.floor(out.length / 2);
    send(stream, 1, out.slice(0, half));
    send(stream, 1, out.slice(half));
    send(stream, 2, err);
    const failure = {
      status: "Failure",
      details: { causes: [{ reason: "ExitCode", message: String(error?.code) }] },
    };
    send(stream, 3, JSON.stringify(error === null ? { status: "Success" } : failure));
    stream.end(Buffer.from([0x88, 2, 3, 0xe8]));
  });
});

/** One binary message of a channel; RFC 6455 §5.2, with a length of 16 bits. */
function send(stream: Duplex, channel: number, text: string): void {
  const payload = Buffer.concat([Buffer.from([channel]), Buffer.from(text)]);
  const head = Buffer.from([0x82, 126, 0, 0]);
  head.writeUInt16BE(payload.length, 2);
  stream.write(Buffer.concat([head, payload]));
}

before(async () => {
  const admin = await startAdmin({
    path: socket,
    providers: {
      config: () => ({ node: "n1" }),
      snapshot: () => EMPTY_SNAPSHOT,
      pods: () => [{ uid: "u", name: "wëb", namespace: "shop", state: "caught", detail: "" }],
      connections: () => [],
      endpoints: () => [],
      counters: () => [],
      readiness: { ready: false, awaited: () => [{ name: "a snapshot", seconds: 2 }] },
    },
    onError: (path, error) => assert.fail(`${path}: ${error}`),
  });
  opened.defer(() => admin.close());
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = server.address() as AddressInfo;
  const cluster = { name: "c", cluster: { server: `http://127.0.0.1:${port}` } };
  const user = { name: "u", user: { token: "word" } };
  const context = { name: "c", context: { cluster: "c", user: "u" } };
  const words = { clusters: [cluster], users: [user], contexts: [context], "current-context": "c" };
  writeFileSync(kubeconfig, stringify(words));
});

after(async () => {
  await opened[Symbol.asyncDispose]();
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

/** What the command prints. */
async function agent(...args: readonly string[]): Promise<unknown> {
  const printed: string[] = [];
  const program = new Command("nodemesh").exitOverride();
  const context = {
    out: () => undefined,
    env: {},
    now: () => new Date(),
    paint: (_: string, text: string) => text,
    fail: () => undefined,
  };
  addAgent(program, context, (text) => printed.push(text));
  const all = ["agent", ...args, "--kubeconfig", kubeconfig, "-o", "json"];
  await program.parseAsync(all, { from: "user" });
  return JSON.parse(printed.join("\n"));
}

test("a page of another node's agent is what the socket there says", async () => {
  mood = "well";
  const there = ["--node", "n1", "--socket", socket];
  assert.deepEqual(await agent("pods", ...there), await agent("pods", "--socket", socket));
  assert.match(JSON.stringify(await agent("pods", ...there)), /"name":"wëb","namespace":"shop"/);
  assert.match(JSON.stringify(await agent("ready", ...there)), /a snapshot/);
});

test("an agent that does not answer, and a node without one, are told", async () => {
  mood = "well";
  await assert.rejects(
    agent("pods", "--node", "n1", "--socket", join(folder, "absent")),
    /no answer from the agent on \S*\/absent of node n1: connect ENOENT/,
  );
  await assert.rejects(agent("pods", "--node", "n2"), /node n2 has no agent in namespace nodemesh/);
});

test("a user who may not exec is told so, and a connection that breaks is no answer", async () => {
  mood = "forbidden";
  await assert.rejects(
    agent("pods", "--node", "n1", "--socket", socket),
    /exec into pod nodemesh-agent-a in namespace nodemesh: you may not exec; ask for that permission/,
  );
  mood = "cut";
  await assert.rejects(
    agent("pods", "--node", "n1", "--socket", socket),
    /the connection broke before it ended/,
  );
});
