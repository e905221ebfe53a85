/** The lines of the access log are true: who, what, how much; of requests, tunnels and connections of bytes. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

type Line = Readonly<Record<string, unknown>>;

interface Listening extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

/** Whoever is still connected at the end is cut. */
async function listening(server: net.Server): Promise<Listening> {
  const open = new Set<net.Socket>();
  server.on("connection", (socket) => open.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: "127.0.0.1",
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of open) socket.destroy();
      server.close();
    },
  };
}

/** Waits for so many lines. */
async function linesOf(rig: WorkerRig, count: number): Promise<readonly Line[]> {
  const lines: Line[] = [];
  await until("the lines have come", () => {
    lines.push(...rig.logged());
    return lines.length >= count;
  });
  assert.equal(lines.length, count);
  return lines;
}

function pick(line: Line | undefined, ...names: readonly string[]): readonly unknown[] {
  return names.map((name) => line?.[name]);
}

const PODS = ["source", "sourcePod", "destination", "destinationPod"];
const NAMES = ["default/client", "client", "default/server", "server"];

test("a pod that asks for it has its requests logged with the pods of both ends; nobody else's are", async () => {
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () =>
      response.writeHead(201, { "content-length": 100 }).end("x".repeat(100)),
    );
  });
  await using at = await listening(server);
  const service = { endpoints: [{ ...at, workload: "server" }] };
  const ask = async (rig: WorkerRig): Promise<void> => {
    const agent = new http.Agent({ keepAlive: false });
    const to = { host: VIP, port: rig.port, localAddress: POD, agent };
    const request = http.request({
      ...to,
      method: "POST",
      path: "/a?secret",
      headers: { host: "h" },
    });
    request.end("12345");
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    await response.resume().once("end", () => {});
    await until("it is counted", () => rig.count("tcpClosed") > 0);
  };
  {
    await using rig = await WorkerRig.start(service, { client: { accessLog: 1 } });
    await ask(rig);
    const [line] = await linesOf(rig, 1);
    assert.deepEqual(pick(line, "kind", "reporter", ...PODS), ["request", "source", ...NAMES]);
    const what = pick(line, "method", "host", "path", "code", "sentBytes", "receivedBytes", "open");
    assert.deepEqual(what, ["POST", "h", "/a", 201, 5, 100, undefined]);
  }
  {
    await using rig = await WorkerRig.start(service);
    await ask(rig);
    assert.deepEqual(rig.logged(), []);
  }
});

test("the server's pod on the same node is logged for by the agent that carries, on its side alone", async () => {
  const server = http.createServer((_request, response) => response.end("ok"));
  await using at = await listening(server);
  const pods = [{ uid: "server", node: "rig", enrolment: { ...DEFAULT_ENROLMENT, accessLog: 1 } }];
  await using rig = await WorkerRig.start({ endpoints: [{ ...at, workload: "server" }] }, { pods });
  const to = { host: VIP, port: rig.port, localAddress: POD, agent: false as const };
  const [response] = (await once(http.get(to), "response")) as [http.IncomingMessage];
  response.resume();
  const [line] = await linesOf(rig, 1);
  assert.deepEqual(pick(line, "reporter", ...PODS), ["destination", ...NAMES]);
});

test("a tunnel's line has its bytes, and a refused request's the reason", async () => {
  const server = http.createServer();
  server.on("upgrade", (_request, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: own\r\n\r\n");
    socket.once("data", () => socket.end("y".repeat(5000)));
  });
  await using at = await listening(server);
  await using rig = await WorkerRig.start(
    { endpoints: [{ ...at, workload: "server" }] },
    { client: { accessLog: 1 } },
  );
  const request = http.get({
    ...{ host: VIP, port: rig.port, localAddress: POD, agent: false },
    headers: { connection: "upgrade", upgrade: "own" },
  });
  const [, socket] = (await once(request, "upgrade")) as [unknown, net.Socket];
  socket.end("z".repeat(3000));
  socket.resume();
  const [line] = await linesOf(rig, 1);
  assert.deepEqual(pick(line, "code", "sentBytes", ...PODS), [101, 3000, ...NAMES]);
  // With the head of the answer.
  assert.equal(line?.["receivedBytes"], socket.bytesRead);

  const odd = net.connect({ host: VIP, port: rig.port, localAddress: POD });
  odd.write("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n");
  odd.resume();
  const [refused] = await linesOf(rig, 1);
  assert.deepEqual(pick(refused, "code", "reason", "method"), [
    400,
    "framing-ambiguous",
    undefined,
  ]);
});

test("a connection of bytes has its line", async () => {
  const server = net.createServer((socket) => socket.on("data", () => socket.end("pong")));
  await using at = await listening(server);
  await using rig = await WorkerRig.start(
    { protocol: "tcp", endpoints: [{ ...at, workload: "server" }] },
    { client: { accessLog: 1 } },
  );
  const client = net.connect({ host: VIP, port: rig.port, localAddress: POD });
  client.end("ping-ping");
  client.resume();
  const [line] = await linesOf(rig, 1);
  assert.deepEqual(pick(line, "kind", ...PODS), ["connection", ...NAMES]);
  assert.deepEqual(pick(line, "sentBytes", "receivedBytes", "protocol"), [9, 4, "tcp"]);
});
