/** What the worker counts is what its client and its servers counted themselves. */

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { test } from "node:test";
import { DEFAULT_ENROLMENT } from "#model/enrolment.ts";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

interface Server extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
  /** Requests, and bytes of their bodies, that came. */
  seen: number;
  bodyBytes: number;
  /** Connections that came, and that have ended. */
  accepted: number;
  ended: number;
}

/** Answers each request with `size` bytes, after having read all of it. */
async function serve(size: number): Promise<Server> {
  const server = http.createServer((request, response) => {
    request.on("data", (bytes: Buffer) => {
      counted.bodyBytes += bytes.length;
    });
    request.on("end", () => {
      counted.seen++;
      response.end("x".repeat(size));
    });
  });
  server.on("connection", (socket) => {
    counted.accepted++;
    socket.once("close", () => counted.ended++);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  const counted: Server = {
    ...{ address: "127.0.0.1", port, seen: 0, bodyBytes: 0, accepted: 0, ended: 0 },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return counted;
}

/** What a client counted. */
interface Counted {
  readonly answers: number;
  readonly bodyBytes: number;
  /** Of its connection. */
  readonly written: number;
  readonly read: number;
}

/** Sends `bodies`, each a request of its own, over one connection, and ends it. */
async function ask(rig: WorkerRig, bodies: readonly (string | undefined)[]): Promise<Counted> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const closed = rig.count("tcpClosed", "source");
  let [answers, bodyBytes] = [0, 0];
  const sockets = new Set<net.Socket>();
  for (const body of bodies) {
    const request = http.request({
      ...{ host: VIP, port: rig.port, localAddress: POD, agent },
      method: body === undefined ? "GET" : "POST",
    });
    request.once("socket", (socket) => sockets.add(socket));
    request.end(body);
    const [response] = (await once(request, "response")) as [http.IncomingMessage];
    for await (const chunk of response) bodyBytes += (chunk as Buffer).length;
    answers++;
  }
  agent.destroy();
  assert.equal(sockets.size, 1, "one connection");
  const [socket] = sockets;
  await until("the connection is over", () => rig.count("tcpClosed", "source") > closed);
  return {
    ...{ answers, bodyBytes },
    written: socket?.bytesWritten ?? Number.NaN,
    read: socket?.bytesRead ?? Number.NaN,
  };
}

const BODIES = [undefined, undefined, "y".repeat(5000), undefined, "z".repeat(70_000)];

test("bodies are counted without heads, and a connection's bytes to the last one", async () => {
  await using server = await serve(1234);
  await using rig = await WorkerRig.start({ endpoints: [{ ...server, workload: "server" }] });
  const client = await ask(rig, BODIES);
  const pair = { src_workload: "client", dst_workload: "server", dst_service: "default/server" };
  const source = { reporter: "source", ...pair, security: "none", path: "proxy" };
  assert.equal(rig.series("httpRequests", { ...source, protocol: "http/1.1" }).sum, BODIES.length);
  const [sent, received] = [
    rig.series("httpRequestBytes"),
    rig.series("httpResponseBytes", source),
  ];
  assert.deepEqual([sent.sum, sent.observations], [server.bodyBytes, server.seen]);
  assert.deepEqual([received.sum, received.observations], [client.bodyBytes, client.answers]);
  assert.equal(rig.series("tcpSentBytes", source).sum, client.written);
  assert.equal(rig.series("tcpReceivedBytes", source).sum, client.read);
  assert.equal(rig.series("tcpOpened", source).sum, 1);
  assert.equal(rig.series("tcpClosed", source).sum, 1);
  // Its own agent counts for it.
  assert.equal(rig.series("httpRequests", { reporter: "destination" }).sum, 0);
});

test("a request between pods of one node is counted once for each side", async () => {
  await using server = await serve(10);
  await using rig = await WorkerRig.start(
    { endpoints: [{ ...server, workload: "server" }] },
    { pods: [{ uid: "server", node: "rig" }] },
  );
  const client = await ask(rig, BODIES);
  for (const reporter of ["source", "destination"]) {
    const side = { reporter, dst_workload: "server", security: "local" };
    assert.equal(rig.series("httpRequests", side).sum, server.seen);
    assert.equal(rig.series("httpDuration", side).observations, server.seen);
    assert.equal(rig.series("tcpSentBytes", side).sum, client.written);
    assert.equal(rig.series("tcpReceivedBytes", side).sum, client.read);
    assert.equal(rig.series("tcpOpened", side).sum, 1);
  }
});

test("who is not in the mesh, or excludes the port, counts as no destination", async () => {
  await using server = await serve(10);
  const excludeInboundPorts = [{ first: server.port, last: server.port }];
  for (const enrolment of ["none", { ...DEFAULT_ENROLMENT, excludeInboundPorts }] as const) {
    await using rig = await WorkerRig.start(
      { endpoints: [{ ...server, workload: "server" }] },
      { pods: [{ uid: "server", node: "rig", enrolment }] },
    );
    await ask(rig, BODIES);
    assert.equal(rig.series("httpRequests", { reporter: "destination" }).sum, 0);
    assert.equal(rig.series("httpRequests", { reporter: "source" }).sum, BODIES.length);
  }
});

test("bytes of a Service of two workloads are each one's own", async () => {
  await using one = await serve(1000);
  await using two = await serve(3000);
  await using rig = await WorkerRig.start(
    {
      endpoints: [
        { ...one, workload: "one" },
        { ...two, workload: "two" },
      ],
    },
    {
      pods: [
        { uid: "one", addresses: [] },
        { uid: "two", addresses: [] },
      ],
    },
  );
  const client = await ask(rig, BODIES);
  const bytes = (dst_workload: string) => rig.series("tcpReceivedBytes", { dst_workload }).sum;
  assert.ok(one.seen > 0 && two.seen > 0);
  for (const [name, size, { seen }] of [
    ["one", 1000, one],
    ["two", 3000, two],
  ] as const) {
    assert.equal(rig.series("httpResponseBytes", { dst_workload: name }).sum, seen * size);
    assert.ok(bytes(name) > seen * size, `${name}: ${bytes(name)} of ${seen} answers`);
  }
  assert.equal(bytes("one") + bytes("two"), client.read);
  assert.equal(rig.series("tcpOpened").labels[0]?.["dst_workload"], "unknown");
});

test("a server counts the connections that it gets, also where a Service spans nodes", async () => {
  await using near = await serve(10);
  await using far = await serve(10);
  await using rig = await WorkerRig.start(
    {
      endpoints: [
        { ...near, workload: "near" },
        { ...far, workload: "far" },
      ],
    },
    {
      pods: [
        { uid: "near", owner: "server", node: "rig" },
        { uid: "far", owner: "server", node: "elsewhere", addresses: [] },
      ],
    },
  );
  for (let n = 0; n < 3; n++) await ask(rig, [undefined, "a post", undefined, "another"]);
  const here = { reporter: "destination", dst_workload: "server", security: "local" };
  const count = (metric: "tcpOpened" | "tcpClosed", labels = here) =>
    rig.series(metric, labels).sum;
  await until("all have ended", () => near.ended === near.accepted);
  await until("all are recorded", () => count("tcpClosed") === near.accepted);
  assert.ok(near.accepted > 0 && far.accepted > 0);
  assert.equal(count("tcpOpened"), near.accepted);
  // The far one's agent counts what comes to it, and a client the connections that it opened.
  assert.equal(rig.series("tcpOpened", { reporter: "destination" }).sum, near.accepted);
  assert.equal(rig.series("tcpOpened", { reporter: "source" }).sum, 3);
  assert.equal(rig.series("tcpClosed", { reporter: "source" }).sum, 3);
});

test("a request that is tried at another endpoint is counted as that", async () => {
  await using server = await serve(10);
  let resets = 0;
  const failing = net.createServer((socket) => {
    resets++;
    socket.resetAndDestroy();
  });
  failing.listen(0, "127.0.0.1");
  await once(failing, "listening");
  const { port } = failing.address() as net.AddressInfo;
  await using rig = await WorkerRig.start({
    endpoints: [{ address: "127.0.0.1", port }, server],
  });
  await ask(rig, [undefined, undefined]);
  failing.close();
  assert.ok(resets > 0);
  const retries = { dst_service: "default/server" };
  assert.equal(rig.series("retries", { ...retries, result: "sent" }).sum, resets);
  assert.equal(rig.series("retries", { ...retries, result: "no-budget" }).sum, 0);
});
