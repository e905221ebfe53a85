/** What the mesh tells of a way is what the way is: its delay, its losses, its queue. */

import assert from "node:assert/strict";
import http from "node:http";
import { test } from "node:test";
import { openListener } from "../../agent/engine/listen.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import type { MetricKey } from "../../agent/telemetry/metrics.ts";
import { FAR, type LinkInit, SlowLink } from "../support/slow-link.ts";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

/** A server at the far end that reads all of a request and answers after a while. */
function serveFar(link: SlowLink, answerMs: number): { readonly port: number; close(): void } {
  const system = new Sockets();
  const fd = openListener(system, { at: { ip: FAR, port: 0 }, netns: link.netns });
  const address = system.localAddress(fd);
  assert.ok(typeof address === "object");
  const server = http.createServer((request, response) => {
    request.resume();
    request.on("end", () => setTimeout(() => response.end("ok"), answerMs));
  });
  server.listen({ fd });
  const { port } = address;
  return {
    port,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** One request with so many bytes, on a connection of its own. */
async function post(rig: WorkerRig, bytes: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = http.request(
      { host: VIP, port: rig.port, localAddress: POD, method: "POST", agent: false },
      (response) => response.resume().on("end", resolve),
    );
    request.on("error", reject);
    request.end(Buffer.alloc(bytes));
  });
}

/** What the mesh told of the way to the far end. */
interface Told {
  readonly meanRoundTripMs: number;
  readonly leastRoundTripMs: number;
  readonly connectMs: number;
  readonly headMs: number;
  readonly lost: number;
  readonly sent: number;
  readonly ackedBytes: number;
}

interface Load {
  readonly requests: number;
  readonly bytes: number;
  readonly answerMs: number;
}

/** Sends requests through a worker over a link, and says what was told when all connections have ended. */
async function through(init: LinkInit, load: Load): Promise<Told & { readonly linkLost: number }> {
  await using link = new SlowLink(init);
  const server = serveFar(link, load.answerMs);
  try {
    await using rig = await WorkerRig.start({
      endpoints: [{ address: FAR, port: server.port }],
      connections: "own",
    });
    for (let n = 0; n < load.requests; n++) await post(rig, load.bytes);
    const sum = (metric: MetricKey): number => rig.series(metric, { leg: "server" }).sum;
    const all = load.requests * load.bytes;
    await until("all is told", () => sum("ackedBytes") > all && sum("roundTrips") >= load.requests);
    const own = (metric: MetricKey): number => rig.series(metric).sum;
    return {
      meanRoundTripMs: (1000 * sum("roundTripSeconds")) / sum("roundTrips"),
      leastRoundTripMs: (1000 * sum("leastRoundTripSeconds")) / sum("roundTrips"),
      connectMs: (1000 * own("connectSeconds")) / own("reached"),
      headMs: (1000 * own("httpHeadSeconds")) / own("httpHeads"),
      lost: sum("retransmittedSegments") - sum("duplicateSegments"),
      sent: sum("sentSegments"),
      ackedBytes: sum("ackedBytes"),
      linkLost: link.lost,
    };
  } finally {
    server.close();
  }
}

/** A machine that is busy is late, never early. */
function isAbout(what: string, found: number, expected: number, late: number): void {
  const right = found >= expected * 0.95 && found <= expected + late;
  assert.ok(right, `${what}: ${found}, expected ${expected} to ${expected + late}`);
}

test("the delay of a way is the round trip and the connect; the application's is in the head alone", async (t) => {
  const told = await through({ delayMs: 40 }, { requests: 5, bytes: 100, answerMs: 120 });
  t.diagnostic(JSON.stringify(told));
  isAbout("least round trip", told.leastRoundTripMs, 80, 30);
  isAbout("connect", told.connectMs, 80, 100);
  isAbout("head", told.headMs, 200, 200);
  // A busy machine's kernel may take one for lost.
  assert.ok(told.lost <= 1 && told.linkLost === 0);
});

test("segments that a way loses are lost segments, each of them", async (t) => {
  const told = await through(
    { delayMs: 5, loseEvery: 20 },
    { requests: 3, bytes: 400_000, answerMs: 0 },
  );
  t.diagnostic(JSON.stringify(told));
  assert.ok(told.linkLost > 20, `${told.linkLost} were lost`);
  // The sender may take one for lost that is not, and not hear that it came twice.
  assert.ok(Math.abs(told.lost - told.linkLost) <= 2 + told.linkLost / 10, `${told.lost}`);
  const share = told.lost / told.sent;
  assert.ok(share > 0.04 && share < 0.06, `${share} of what was sent`);
});

test("a narrow way's queue is in the smoothed round trip, not in the least one", async (t) => {
  const told = await through(
    { delayMs: 10, bytesPerSecond: 500_000 },
    { requests: 2, bytes: 600_000, answerMs: 0 },
  );
  t.diagnostic(JSON.stringify(told));
  isAbout("least round trip", told.leastRoundTripMs, 20, 30);
  assert.ok(told.meanRoundTripMs > 1.3 * told.leastRoundTripMs, `${told.meanRoundTripMs} ms`);
});
