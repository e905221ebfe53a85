/** What the worker tells of the ways to clients and servers, and of its own part, is what both ends saw themselves. */

import assert from "node:assert/strict";
import type net from "node:net";
import { test } from "node:test";
import { answering, dial, GET, OK, serve } from "../support/byte-peers.ts";
import { Overfull } from "../support/overfull.ts";
import { until } from "../support/until.ts";
import { WorkerRig } from "../support/worker-rig.ts";

type Leg = "client" | "server";

/** Sums over one side's series of a leg. */
function of(rig: WorkerRig, leg: Leg, side: Readonly<Record<string, string>> = {}) {
  const labels = { reporter: "source", leg, ...side };
  return {
    ackedBytes: rig.series("ackedBytes", labels).sum,
    sentSegments: rig.series("sentSegments", labels).sum,
    retransmitted: rig.series("retransmittedSegments", labels).sum,
    roundTrips: rig.series("roundTrips", labels).sum,
    seconds: rig.series("roundTripSeconds", labels).sum,
    leastSeconds: rig.series("leastRoundTripSeconds", labels).sum,
  };
}

/** So many segments were sent, once each. A busy machine's kernel may send one again, also on loopback. */
function isOnce({ sentSegments, retransmitted }: ReturnType<typeof of>, segments: number): void {
  assert.ok(sentSegments >= segments && sentSegments - retransmitted <= segments);
}

/** One client that asks `times` times and ends. Returns the bytes that it got. */
async function ask(rig: WorkerRig, times: number): Promise<number> {
  const client = dial(rig);
  for (let n = 1; n <= times; n++) {
    client.socket.write(GET);
    await until("it is answered", () => client.text.length === n * OK.length);
  }
  client.socket.end();
  await until("it ends", () => client.ended === "fin");
  return client.text.length;
}

/** All that came to a server. */
function counting(talk: (socket: net.Socket) => void): {
  readonly talk: (socket: net.Socket) => void;
  bytes: number;
} {
  const counted = {
    bytes: 0,
    talk: (socket: net.Socket): void => {
      socket.on("data", (chunk) => {
        counted.bytes += chunk.length;
      });
      talk(socket);
    },
  };
  return counted;
}

test("a connection to a server that many clients rode on is told once, for its pair", async () => {
  const seen = counting(answering);
  using server = await serve(seen.talk);
  await using rig = await WorkerRig.start({
    endpoints: [{ ...server.endpoint, workload: "server" }],
  });
  let read = 0;
  for (let n = 0; n < 5; n++) read += await ask(rig, 2);
  const connections = server.sockets.length;
  assert.ok(connections < 5, "some rode on others' connections");
  // The pool closes them a second after their own clients have left.
  await until("they have ended", () => server.sockets.every((one) => one.readableEnded));
  await until("all is told", () => of(rig, "server").ackedBytes === seen.bytes);
  const pair = { src_workload: "client", dst_workload: "server", dst_service: "default/server" };
  const [client, upstream] = [of(rig, "client", pair), of(rig, "server", pair)];
  assert.equal(client.ackedBytes, read);
  assert.equal(client.roundTrips, 5);
  assert.equal(upstream.ackedBytes, seen.bytes);
  isOnce(upstream, 10);
  // Once at the end of each, perhaps once more while it lasted.
  assert.ok(upstream.roundTrips >= connections && upstream.roundTrips <= 2 * connections);
  for (const { seconds, leastSeconds, roundTrips } of [client, upstream])
    assert.ok(leastSeconds > 0 && leastSeconds <= seconds && seconds < roundTrips);
  assert.equal(rig.series("reached", pair).sum, connections);
  // Nobody else counts for the server, whose agent is elsewhere.
  assert.deepEqual(rig.series("ackedBytes", { reporter: "destination" }).labels, []);
});

test("between pods of one node both sides are told the same", async () => {
  using server = await serve(answering);
  await using rig = await WorkerRig.start(
    { endpoints: [{ ...server.endpoint, workload: "server" }] },
    { pods: [{ uid: "server", node: "rig" }] },
  );
  await ask(rig, 3);
  await until("the server's is told", () => of(rig, "server").ackedBytes > 0);
  for (const leg of ["client", "server"] as const)
    assert.deepEqual(of(rig, leg, { reporter: "destination" }), of(rig, leg));
  for (const metric of ["reached", "httpHeads", "httpHeadSeconds", "waitSeconds"] as const)
    assert.equal(
      rig.series(metric, { reporter: "destination" }).sum,
      rig.series(metric, { reporter: "source" }).sum,
      metric,
    );
});

test("bytes that are not HTTP are told of, too", async () => {
  const seen = counting(answering);
  using server = await serve(seen.talk);
  await using rig = await WorkerRig.start({ protocol: "tcp", endpoints: [server.endpoint] });
  const read = await ask(rig, 3);
  await until("both legs are told", () => of(rig, "server").ackedBytes > 0);
  assert.equal(of(rig, "client").ackedBytes, read);
  assert.equal(of(rig, "server").ackedBytes, seen.bytes);
  assert.equal(rig.series("reached").sum, 1);
  assert.deepEqual(rig.series("httpHeads").labels, []);
});

test("a connection that lasts is told of while it does, and nothing twice", async () => {
  const seen = counting(answering);
  using server = await serve(seen.talk);
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  client.socket.write(GET);
  await until("it is told of", () => of(rig, "server").ackedBytes === GET.length);
  await until("the client's, too", () => of(rig, "client").ackedBytes === OK.length);
  client.socket.write(GET);
  await until("and once more", () => of(rig, "server").ackedBytes === 2 * GET.length);
  client.socket.end();
  await until("it ends", () => client.ended === "fin");
  await until("both have ended", () => server.sockets.every((one) => one.readableEnded));
  await until("it is recorded", () => rig.count("tcpClosed") === 1);
  assert.deepEqual([of(rig, "client").ackedBytes, seen.bytes], [2 * OK.length, 2 * GET.length]);
  assert.equal(of(rig, "server").ackedBytes, seen.bytes);
  isOnce(of(rig, "server"), 2);
});

test("the time to the answer's head is the server's; who was refused has none", async () => {
  const DELAY_MS = 150;
  using server = await serve((socket) => {
    socket.on("data", () => {
      setTimeout(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), DELAY_MS);
      setTimeout(() => socket.write("ok"), 2 * DELAY_MS);
    });
    socket.on("end", () => socket.end());
  });
  await using rig = await WorkerRig.start({ endpoints: [server.endpoint] });
  const client = dial(rig);
  for (let n = 1; n <= 3; n++) {
    client.socket.write(GET);
    await until("it is answered", () => client.text.split("\r\n\r\nok").length === n + 1);
  }
  client.socket.write("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
  await until("it is refused", () => client.text.includes(" 400 "));
  await until("it is recorded", () => rig.count("httpRequests") === 4);
  assert.equal(rig.series("httpHeads").sum, 3);
  const [head, whole] = [rig.series("httpHeadSeconds").sum, rig.series("httpDuration").sum];
  // Timers of either side are a millisecond early at most.
  assert.ok(head >= (3 * (DELAY_MS - 5)) / 1000, `${head} s`);
  assert.ok(
    whole - head >= (3 * (DELAY_MS - 50)) / 1000,
    `${whole} s whole, ${head} s to the head`,
  );
  client.socket.destroy();
});

test("the wait for an endpoint has the tries at others in it, the connect has not", async () => {
  const CONNECT_MS = 300;
  using busy = await Overfull.start();
  using server = await serve(answering);
  await using rig = await WorkerRig.start(
    { protocol: "tcp", endpoints: [busy.endpoint, server.endpoint] },
    { timeouts: { connectMs: CONNECT_MS } },
  );
  // One of them is sent to the busy one first.
  await ask(rig, 1);
  await ask(rig, 1);
  const [wait, connect] = [rig.series("waitSeconds").sum, rig.series("connectSeconds").sum];
  assert.equal(rig.series("reached").sum, 2);
  const others = wait - connect;
  assert.ok(connect > 0 && others > 0.25 && others < 10, `${wait} s, of which ${connect} s`);
});
