/** The application on either side sees no difference: each case on IPv4 and IPv6, meshed on both ends across nodes. */

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import type { PodListener, PodPeer, PodSocket } from "../support/pod-peer.ts";

const TCP = 7000;
const DETECT = 7001;

const MANIFESTS =
  idlePod("client", "node-1", { "mesh/enabled": "true" }) +
  idlePod("neighbour", "node-1", { "mesh/enabled": "true" }) +
  idlePod("server", "node-2", { "mesh/enabled": "true" }) +
  serviceOf("server", { bytes: [TCP, "tcp"], any: [DETECT, ""] }) +
  serviceOf("neighbour", { bytes: [TCP, "tcp"] });

interface Stage {
  readonly lab: MeshLab;
  readonly client: PodPeer;
  readonly server: PodPeer;
  readonly neighbour: PodPeer;
  readonly addresses: Readonly<Record<string, readonly string[]>>;
}

let stage: Stage;
/** listener by `pod port`. */
const listeners = new Map<string, PodListener>();

before(async () => {
  const lab = await MeshLab.start("transparency", MANIFESTS);
  const { pods, services } = await lab.status();
  const addresses: Record<string, readonly string[]> = {};
  for (const pod of pods) addresses[`pod/${pod.name}`] = pod.addresses;
  for (const service of services) addresses[`svc/${service.name}`] = service.clusterIPs;
  const [client, server, neighbour] = ["client", "server", "neighbour"].map((pod) => lab.peer(pod));
  assert.ok(client && server && neighbour);
  stage = { lab, client, server, neighbour, addresses };
  listeners.set("server 7000", await server.listen(TCP));
  listeners.set("server 7001", await server.listen(DETECT));
  listeners.set("neighbour 7000", await neighbour.listen(TCP));
});

after(async () => {
  for (const peer of [stage.client, stage.server, stage.neighbour])
    await peer[Symbol.asyncDispose]();
  await stage.lab[Symbol.asyncDispose]();
});

function addressOf(name: string, family: number): string {
  const found = stage.addresses[name]?.find((address) => address.includes(":") === (family === 6));
  assert.ok(found, `${name} has no IPv${family} address`);
  return found;
}

/** Both ends of a connection from the client to a target. */
async function pair(
  target: string,
  family: number,
  port: number = TCP,
): Promise<{ readonly near: PodSocket; readonly far: PodSocket; readonly dialled: string }> {
  const listener = listeners.get(`${target.split("/")[1]} ${port}`);
  assert.ok(listener);
  const dialled = addressOf(target, family);
  const both = [stage.client.connect(dialled, port), listener.accept()] as const;
  const [near, far]: readonly [PodSocket, PodSocket] = await Promise.all(both);
  return { near, far, dialled };
}

for (const family of [4, 6]) {
  for (const target of ["svc/server", "pod/server", "svc/neighbour", "pod/neighbour"]) {
    describe(`IPv${family} to ${target}`, () => {
      test("both sides see the addresses they would see without a mesh", async () => {
        const { near, far, dialled } = await pair(target, family);
        assert.deepEqual(near.remote, { address: dialled, port: TCP });
        assert.equal(near.local.address, addressOf("pod/client", family));
        assert.equal(far.remote.address, addressOf("pod/client", family));
        const pod = target.replace("svc/", "pod/");
        assert.deepEqual(far.local, { address: addressOf(pod, family), port: TCP });
        await near.reset();
      });

      test("the client half-closes and still reads the answer", async () => {
        const { near, far } = await pair(target, family);
        await near.write("question");
        await near.end();
        assert.deepEqual(await far.read(), { text: "question", ended: "fin" });
        await far.write("answer");
        await far.end();
        assert.deepEqual(await near.read(), { text: "answer", ended: "fin" });
      });

      test("the server half-closes and still reads what follows", async () => {
        const { near, far } = await pair(target, family);
        await far.write("banner");
        await far.end();
        assert.deepEqual(await near.read(), { text: "banner", ended: "fin" });
        await near.write("late");
        await near.end();
        assert.deepEqual(await far.read(), { text: "late", ended: "fin" });
      });

      test("a reset of the client reaches the server as a reset", async () => {
        const { near, far } = await pair(target, family);
        await near.write("x");
        assert.equal((await far.read(1)).text, "x");
        await near.reset();
        assert.equal((await far.read()).ended, "reset");
      });

      test("a reset of the server reaches the client as a reset", async () => {
        const { near, far } = await pair(target, family);
        await near.write("x");
        assert.equal((await far.read(1)).text, "x");
        await far.reset();
        assert.equal((await near.read()).ended, "reset");
      });

      test("64 MB arrive unchanged in both directions at once", async () => {
        const { near, far } = await pair(target, family);
        const bytes = 64 << 20;
        const [up, down, atFar, atNear] = await Promise.all([
          near.send(bytes, "up").then(async (sent) => {
            await near.end();
            return sent;
          }),
          far.send(bytes, "down").then(async (sent) => {
            await far.end();
            return sent;
          }),
          far.drain(60_000),
          near.drain(60_000),
        ]);
        assert.deepEqual([atFar.bytes, atNear.bytes], [bytes, bytes]);
        assert.equal(atFar.sha256, up.sha256);
        assert.equal(atNear.sha256, down.sha256);
      });
    });
  }

  test(`a server that speaks first is heard without a stall, and at once from then on (IPv${family})`, async () => {
    const dialled = addressOf("svc/server", family);
    const listener = listeners.get(`server ${DETECT}`);
    assert.ok(listener);
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const started = performance.now();
      const near = await stage.client.connect(dialled, DETECT);
      const far: PodSocket = await listener.accept();
      await far.write("220 ready\r\n");
      assert.equal((await near.read(11)).text, "220 ready\r\n");
      times.push(performance.now() - started);
      await near.write("QUIT\r\n");
      assert.equal((await far.read(6)).text, "QUIT\r\n");
      await near.reset();
    }
    // The budget is 50 ms of stall on each of the two proxies for the first connection, none after it.
    assert.ok((times[0] ?? 0) < 400, `first: ${times[0]} ms`);
    assert.ok((times[2] ?? 0) < 60, `learned: ${times[2]} ms`);
  });

  test(`a port where nobody listens ends the connection (IPv${family})`, async () => {
    const near = await stage.client
      .connect(addressOf("pod/server", family), 7999)
      .catch((error) => error);
    if (near instanceof Error) assert.match(near.message, /ECONNREFUSED|ECONNRESET/);
    else assert.equal((await near.read()).ended, "reset");
  });
}

test("2,000 short connections, 20 at a time, all answered", async () => {
  const echo = await stage.server.listen(7002);
  await echo.echo();
  const host = addressOf("pod/server", 4);
  const result = await stage.client.ask({
    op: "burst",
    host,
    port: 7002,
    count: 2000,
    parallel: 20,
  });
  assert.deepEqual([result.count, result.failed], [2000, 0]);
  await echo.close();
});

test("a reader that stalls holds up the sender, and the agents' memory stays bounded", async () => {
  const { near, far } = await pair("svc/server", 4);
  const before = await rss();
  await far.pause();
  const sending = near.send(256 << 20, "flood");
  const stalled = await Promise.race([
    sending.then(() => "sent"),
    new Promise<string>((resolve) => setTimeout(resolve, 2_000, "stalled")),
  ]);
  assert.equal(stalled, "stalled");
  const grown = (await rss()) - before;
  assert.ok(grown < 64 << 20, `the agents grew by ${grown} bytes`);
  await far.resume();
  assert.equal((await sending).bytes, 256 << 20);
  await near.end();
  assert.equal((await far.drain(60_000)).bytes, 256 << 20);
});

async function rss(): Promise<number> {
  const pages = await Promise.all(["node-1", "node-2"].map((node) => stage.lab.metrics(node)));
  return pages
    .map((page) => Number(/^process_resident_memory_bytes (\S+)$/m.exec(page)?.[1]))
    .reduce((sum, bytes) => sum + bytes, 0);
}
