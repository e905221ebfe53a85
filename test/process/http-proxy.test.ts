import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

type Handler = http.RequestListener;

async function backend(
  handler: Handler,
): Promise<{ port: number; server: http.Server } & Disposable> {
  const server = http.createServer(handler);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    port,
    server,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

function at(port: number): { address: string; port: number } {
  return { address: "127.0.0.1", port };
}

async function request(
  agent: http.Agent,
  port: number,
  options: http.RequestOptions & { body?: string } = {},
): Promise<{ status: number; headers: http.IncomingHttpHeaders; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<Awaited<ReturnType<typeof request>>>();
  const sent = http.request(
    { host: VIP, port, localAddress: POD, agent, ...options },
    async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const { statusCode = 0, headers } = response;
      resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString() });
    },
  );
  sent.on("error", reject);
  sent.end(options.body);
  return promise;
}

test("requests on one kept connection are spread over all endpoints", async () => {
  const backends = await Promise.all(
    [1, 2, 3].map((n) => backend((_, response) => response.end(`server ${n}`))),
  );
  await using rig = await WorkerRig.start({ endpoints: backends.map(({ port }) => at(port)) });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const seen: Record<string, number> = {};
  for (let i = 0; i < 30; i++) {
    const { status, body } = await request(agent, rig.port);
    assert.equal(status, 200);
    seen[body] = (seen[body] ?? 0) + 1;
  }
  agent.destroy();
  assert.deepEqual(seen, { "server 1": 10, "server 2": 10, "server 3": 10 });
  assert.equal(rig.count("httpRequests", "200"), 30);
  for (const one of backends) one[Symbol.dispose]();
});

test("more requests in flight than the worker has slots are all answered, also after their server dies", async () => {
  const IN_FLIGHT = 1_200;
  const held: http.ServerResponse[] = [];
  const urls: string[] = [];
  using dying = await backend((incoming, response) => {
    held.push(response);
    urls.push(incoming.url ?? "");
  });
  using steady = await backend((incoming, response) => response.end(incoming.url));
  await using rig = await WorkerRig.start({ endpoints: [at(dying.port)] });
  const agent = new http.Agent({ keepAlive: true });
  const asked = Array.from({ length: IN_FLIGHT }, (_, n) =>
    request(agent, rig.port, { path: `/${n}` }),
  );
  while (held.length < IN_FLIGHT) await once(dying.server, "request");
  assert.equal(new Set(urls).size, IN_FLIGHT);
  // Every request is still kept: what the dead server did not answer, the other one gets, unchanged.
  await rig.update({ endpoints: [at(dying.port), at(steady.port)] });
  for (const response of held.splice(0, 100)) response.socket?.resetAndDestroy();
  for (const response of held) response.end(response.req.url);
  const answers = await Promise.all(asked);
  const wrong = answers.filter(({ status, body }, n) => status === 200 && body !== `/${n}`);
  assert.deepEqual(wrong, []);
  const served = answers.filter(({ status }) => status === 200).length;
  // The retry budget (a fifth of the requests) is larger than what the resets asked for.
  assert.equal(served, IN_FLIGHT);
  agent.destroy();
});

test("request and response bodies of every framing arrive whole", async () => {
  using echo = await backend((incoming, response) => {
    if (incoming.headers["x-length"] !== undefined)
      response.setHeader("content-length", incoming.headers["x-length"]);
    if (incoming.headers["x-close"] !== undefined) {
      response.shouldKeepAlive = false;
      response.useChunkedEncodingByDefault = false;
      response.removeHeader("transfer-encoding");
    }
    incoming.pipe(response);
  });
  await using rig = await WorkerRig.start({ endpoints: [at(echo.port)] });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 });
  const body = "x".repeat(300_000);
  const cases: readonly http.OutgoingHttpHeaders[] = [
    { "content-length": body.length },
    { "transfer-encoding": "chunked" },
    { "content-length": body.length, "x-length": body.length },
    { "content-length": body.length, "x-close": "1" },
  ];
  for (const headers of cases) {
    const answer = await request(agent, rig.port, { method: "POST", headers, body });
    assert.equal(answer.status, 200);
    assert.equal(answer.body.length, body.length);
    assert.equal(answer.body, body);
  }
  agent.destroy();
});

test("a refused endpoint costs no request: another one is tried", async () => {
  using live = await backend((_, response) => response.end("live"));
  const dead = net.createServer().listen(0, "127.0.0.1");
  await once(dead, "listening");
  const deadPort = (dead.address() as net.AddressInfo).port;
  dead.close();
  await once(dead, "close");
  await using rig = await WorkerRig.start({ endpoints: [at(deadPort), at(live.port)] });
  const agent = new http.Agent({ keepAlive: true });
  for (let i = 0; i < 20; i++) {
    const { status, body } = await request(agent, rig.port, { method: "POST", body: "once" });
    assert.deepEqual([status, body], [200, "live"]);
  }
  agent.destroy();
});

test("without endpoints the answer is 503 and names its reason", async () => {
  await using rig = await WorkerRig.start({ endpoints: [] });
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const { status, headers } = await request(agent, rig.port);
  assert.equal(status, 503);
  assert.equal(headers["x-nodemesh-reason"], "no-endpoints");
  assert.equal(rig.count("refused", "no-endpoints"), 1);
  agent.destroy();
});

test("an upgraded connection carries bytes both ways until both sides end", async () => {
  using ws = await backend((_, response) => response.end());
  ws.server.on("upgrade", (_request, socket: net.Socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nhello",
    );
    socket.pipe(socket);
  });
  await using rig = await WorkerRig.start({ endpoints: [at(ws.port)] });
  const socket = net.connect({ host: VIP, port: rig.port, localAddress: POD });
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
    if (text.endsWith("hello")) socket.end("ping");
  });
  socket.write("GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n");
  await once(socket, "close");
  assert.match(text, /^HTTP\/1.1 101 .*\r\n\r\nhelloping$/s);
});

test("pipelined requests sent byte by byte are answered in order", async () => {
  using plain = await backend((incoming, response) => response.end(`<${incoming.url}>`));
  await using rig = await WorkerRig.start({ endpoints: [at(plain.port)] });
  const socket = net.connect({ host: VIP, port: rig.port, localAddress: POD });
  socket.setNoDelay(true);
  const requests = [1, 2, 3].map((n) => `GET /${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk;
    if (text.includes("</3>")) socket.end();
  });
  for (const byte of requests) {
    socket.write(byte);
    await new Promise(setImmediate);
  }
  await once(socket, "close");
  assert.deepEqual(text.match(/<[^>]*>/g), ["</1>", "</2>", "</3>"]);
});

test("malformed and ambiguous requests are refused with a reason and the connection ends", async () => {
  let served = 0;
  using plain = await backend((_, response) => {
    served++;
    response.end();
  });
  await using rig = await WorkerRig.start({ endpoints: [at(plain.port)] });
  const cases: readonly (readonly [string, string, string])[] = [
    [
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "400",
      "framing-ambiguous",
    ],
    ["GET / HTTP/1.1\nHost: a\n\n", "400", "request-malformed"],
    [`GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(140_000)}\r\n\r\n`, "431", "head-too-large"],
  ];
  for (const [bytes, status, reason] of cases) {
    const socket = net.connect({ host: VIP, port: rig.port, localAddress: POD });
    socket.end(bytes);
    let text = "";
    for await (const chunk of socket) text += chunk;
    assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
    assert.match(text, new RegExp(`x-nodemesh-reason: ${reason}`, "i"));
  }
  assert.equal(served, 0);
});
