/** Much data and many connections through two agents: nothing is lost, and nothing is left in the agents. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import type { PodListener, PodPeer, PodSocket } from "../support/pod-peer.ts";
import { until } from "../support/until.ts";

const BYTES_PORT = 7000;
const ECHO_PORT = 7001;
const GIGABYTE = 1 << 30;
const TRANSFER_MS = 120_000;
const SAMPLE_MS = 100;
/** Far below what was sent, far above what the engine's buffers may take (a few MB per connection). */
const GROWTH_BYTES = 48 << 20;
/** The engine's shared files (heap growth, epoll) may differ by a few descriptors; leaked connections are thousands. */
const SPARE_DESCRIPTORS = 8;

const ENROLLED = { "mesh/enabled": "true" };
const MANIFESTS =
  idlePod("client", "node-1", ENROLLED) +
  idlePod("server", "node-2", ENROLLED) +
  serviceOf("server", { bytes: [BYTES_PORT, "tcp"], echo: [ECHO_PORT, "tcp"] });

let lab: MeshLab;
let client: PodPeer;
let server: PodPeer;
let listener: PodListener;
let vips: readonly string[];
/** Process ids of both agents. */
let agents: readonly number[];

before(async () => {
  lab = await MeshLab.start("bulk", MANIFESTS);
  const status = await lab.status();
  vips = status.services.find(({ name }) => name === "server")?.clusterIPs ?? [];
  agents = status.agents.flatMap(({ process }) => process.pid ?? []);
  assert.equal(agents.length, 2);
  client = lab.peer("client");
  server = lab.peer("server");
  listener = await server.listen(BYTES_PORT);
  const echo = await server.listen(ECHO_PORT);
  await echo.echo();
});

after(async () => {
  await client[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

for (const family of [4, 6]) {
  test(`1 GB each way at once arrives unchanged, and the agents do not grow (IPv${family})`, async (context) => {
    const [near, far] = await Promise.all([
      client.connect(vip(family), BYTES_PORT),
      listener.accept(),
    ]);
    // What the first bytes need is not growth by the gigabyte.
    await Promise.all([near.write("warm"), far.write("warm"), near.read(4), far.read(4)]);
    const watch = watchMemory();
    const [up, down, atFar, atNear] = await Promise.all([
      sendAll(near, "up"),
      sendAll(far, "down"),
      far.drain(TRANSFER_MS),
      near.drain(TRANSFER_MS),
    ]);
    const growth = watch.stop();
    context.diagnostic(`the agents' memory grew by ${growth.bytes.map((n) => n >> 20)} MiB`);
    assert.deepEqual([atFar.bytes, atNear.bytes], [GIGABYTE, GIGABYTE]);
    assert.deepEqual([atFar.sha256, atNear.sha256], [up.sha256, down.sha256]);
    assert.deepEqual([atFar.ended, atNear.ended], ["fin", "fin"]);
    assert.ok(growth.samples >= 5, `only ${growth.samples} looks at the memory`);
    for (const bytes of growth.bytes) assert.ok(bytes < GROWTH_BYTES, `grew by ${growth.bytes}`);
  });

  test(`10,000 short connections: each answered, no descriptor left (IPv${family})`, async () => {
    const before = agents.map(descriptors);
    const opened = await openedConnections();
    const burst = {
      op: "burst",
      host: vip(family),
      port: ECHO_PORT,
      count: 10_000,
      parallel: 32,
    } as const;
    assert.deepEqual(await client.ask(burst), { count: 10_000, failed: 0 });
    assert.equal((await openedConnections()) - opened, 10_000);
    await until(
      "the agents' descriptors are back",
      () => agents.every((pid, i) => descriptors(pid) <= (before[i] ?? 0) + SPARE_DESCRIPTORS),
      10_000,
    );
  });
}

function vip(family: number): string {
  const found = vips.find((address) => address.includes(":") === (family === 6));
  assert.ok(found);
  return found;
}

async function sendAll(socket: PodSocket, seed: string): Promise<{ sha256?: string }> {
  const sent = await socket.send(GIGABYTE, seed);
  await socket.end();
  return sent;
}

/** Looks at both agents' resident memory until stopped; by how much each grew at most. */
function watchMemory(): { stop(): { bytes: readonly number[]; samples: number } } {
  const first = agents.map(residentBytes);
  const most = [...first];
  let samples = 0;
  const timer = setInterval(() => {
    samples++;
    for (const [i, pid] of agents.entries()) most[i] = Math.max(most[i] ?? 0, residentBytes(pid));
  }, SAMPLE_MS);
  return {
    stop() {
      clearInterval(timer);
      return { bytes: most.map((bytes, i) => bytes - (first[i] ?? 0)), samples };
    },
  };
}

function residentBytes(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  assert.ok(line);
  return Number(line) * 1024;
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Connections that the client's agent counted, for any destination. */
async function openedConnections(): Promise<number> {
  return (await lab.metrics("node-1"))
    .split("\n")
    .filter((line) => line.startsWith("nodemesh_tcp_connections_opened_total{"))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
