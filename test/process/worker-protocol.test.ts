/** What main and its data workers owe each other: one answer to each command, and no wait without an end. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { mock, test } from "node:test";
import type { SnapshotDelta } from "#model/snapshot.ts";
import type { WorkerInit } from "../../agent/messages.ts";
import { createBlock } from "../../agent/telemetry/block.ts";
import { PATIENCE, WorkerLink } from "../../agent/worker-link.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

const NOTHING: SnapshotDelta = {
  ...{ epoch: "rig", base: "nothing", version: 7 },
  ...{ upsertWorkloads: [], removeWorkloads: [] },
  ...{ upsertServices: [], removeServices: [], changeEndpoints: [] },
};

test("a worker that throws at a delta says so, and takes the next one", async () => {
  await using rig = await WorkerRig.start({ endpoints: [] });
  const broken = { ...NOTHING, upsertServices: [null] } as unknown as SnapshotDelta;
  await assert.rejects(rig.workers.apply(broken), /data worker 0 failed: apply: .*null/);
  assert.equal(rig.bugs.splice(0).length, 1);
  await rig.workers.apply(NOTHING);
});

test("a pod that is served already is refused without a wait", async () => {
  await using rig = await WorkerRig.start({ endpoints: [] });
  const pod = { uid: "client", netns: -1, addresses: [POD], listeners: [rig.listenerFd] };
  await assert.rejects(rig.workers.added(pod), /data worker 0 failed: serve: .*served already/);
  assert.equal(rig.bugs.splice(0).length, 1);
});

test("a wait that is given up ends, and the pod may be watched again", async () => {
  await using server = await listening();
  await using rig = await WorkerRig.start({
    protocol: "tcp",
    endpoints: [{ address: "127.0.0.1", port: server.port }],
  });
  const client = net.connect({ host: VIP, port: rig.port, localAddress: POD });
  client.on("error", () => undefined);
  client.write("hello");
  await once(client, "data");
  const waiting = new AbortController();
  const idle = rig.workers.idle("client", waiting.signal);
  waiting.abort();
  await idle;
  await rig.workers.idle("client", AbortSignal.abort());
  const again = rig.workers.idle("client", new AbortController().signal);
  client.destroy();
  await again;
});

/** A server that says back what it hears. */
async function listening(): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket.on("error", () => undefined));
    socket.pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as net.AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

interface Silent extends AsyncDisposable {
  readonly link: WorkerLink;
  readonly deaths: string[];
}

/** A worker that never answers, but for `drain`, which it answers twice; number 0 can't be stopped by a word. */
async function silent(index = 3): Promise<Silent> {
  const init = { index, metrics: createBlock() } as Partial<WorkerInit>;
  const deaths: string[] = [];
  const link = new WorkerLink(
    init as WorkerInit,
    { onNews: ({ kind }) => assert.fail(kind), onDeath: ({ message }) => deaths.push(message) },
    new URL("../support/silent-worker.ts", import.meta.url),
  );
  await link.started();
  return { link, deaths, [Symbol.asyncDispose]: () => link.stop() };
}

test("a silent worker is dead after its time, and every other wait for it ends with it", async () => {
  await using worker = await silent();
  const { ms } = { ms: 0, ...PATIENCE.apply };
  mock.timers.enable({ apis: ["setTimeout"] });
  const watched = worker.link.give({ kind: "watch", uid: "a" });
  const applied = worker.link.give({ kind: "apply", delta: NOTHING });
  mock.timers.tick(ms - 1);
  assert.deepEqual(worker.deaths, []);
  mock.timers.tick(1);
  mock.timers.reset();
  const silence = /data worker 3 has not answered "apply" for 30 s/;
  await assert.rejects(applied, silence);
  await assert.rejects(watched, silence);
  await assert.rejects(worker.link.give({ kind: "ask", question: "endpoints" }), silence);
  assert.equal(worker.deaths.length, 1);
});

test("main goes on without the rows of a silent worker, which may live", async () => {
  await using worker = await silent();
  const { ms } = { ms: 0, ...PATIENCE.ask };
  mock.timers.enable({ apis: ["setTimeout"] });
  const asked = worker.link.give({ kind: "ask", question: "connections" });
  mock.timers.tick(ms);
  mock.timers.reset();
  await assert.rejects(asked, /has not answered "ask" for 2 s/);
  assert.deepEqual(worker.deaths, []);
});

test("a second answer to a command is nobody's", async () => {
  await using worker = await silent();
  assert.deepEqual(await worker.link.give({ kind: "drain" }), { kind: "done" });
  assert.deepEqual(await worker.link.give({ kind: "drain" }), { kind: "done" });
  assert.deepEqual(worker.deaths, []);
});

test("a thread that does not listen is ended by force", async () => {
  const { link, deaths } = await silent(0);
  const { ms } = { ms: 0, ...PATIENCE.stop };
  mock.timers.enable({ apis: ["setTimeout"] });
  const stopped = link.stop();
  mock.timers.tick(ms);
  // What stop() waits for next begins in later turns.
  await Promise.resolve();
  mock.timers.reset();
  await stopped;
  assert.deepEqual(deaths, []);
});
