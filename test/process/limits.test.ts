/** Bounds on what clients can make a worker hold. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";
import { openListener } from "../../agent/engine/listen.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

for (const limit of ["maxConnections", "maxConnectionsPerPod"] as const)
  test(`beyond ${limit} a connection is reset and counted; an ended one makes room`, async () => {
    await using rig = await WorkerRig.start({ endpoints: [] }, { limits: { [limit]: 2 } });
    const open = (): net.Socket => {
      const socket = net.connect({ host: VIP, port: rig.port, localAddress: POD });
      return socket.on("error", () => undefined);
    };
    const held = async (): Promise<number> => (await rig.connections()).length;
    const kept = [open(), open()];
    await until("both are carried", async () => (await held()) === 2);
    const refused = open();
    await until("the third is refused", () => refused.closed);
    assert.equal(rig.count("refused", "connection-limit"), 1);
    kept.pop()?.destroy();
    await until("there is room", async () => (await held()) === 1);
    kept.push(open());
    await until("another one is carried", async () => (await held()) === 2);
    assert.equal(rig.count("refused", "connection-limit"), 1);
    for (const socket of kept) socket.destroy();
  });

const MIB = 1 << 20;

/** Bytes that the worker holds for its clients. */
async function heldBytes(rig: WorkerRig): Promise<number> {
  const [row] = await rig.workers.ask("held");
  return Number(row?.["bytes"]);
}

/** Clients that send `bytes` each and wait; those that were reset are `refused`. */
function crowd(rig: WorkerRig, count: number, bytes: string) {
  const sockets = Array.from({ length: count }, () => {
    const socket = net.connect({ host: VIP, port: rig.port, localAddress: POD });
    socket.write(bytes);
    return socket.on("error", () => undefined).resume();
  });
  const refused = (): number => sockets.filter(({ closed }) => closed).length;
  return { sockets, refused, leave: () => sockets.map((socket) => socket.destroy()) };
}

/** What a client can leave unfinished, by what the worker has to hold of it. */
const UNFINISHED = [
  {
    what: "unfinished heads",
    protocol: "http",
    bytes: `GET / HTTP/1.1\r\nx: ${"x".repeat(60_000)}`,
  },
  {
    what: "first lines that are looked at",
    protocol: "detect",
    bytes: `GET /${"x".repeat(60_000)}`,
  },
  {
    what: "requests that wait behind another one",
    protocol: "http",
    bytes: `GET / HTTP/1.1\r\nHost: h\r\n\r\n`.repeat(2000),
  },
  {
    what: "requests that wait for an endpoint",
    protocol: "http",
    bytes: `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999\r\n\r\n${"x".repeat(60_000)}`,
  },
] as const;

for (const { what, protocol, bytes } of UNFINISHED)
  test(`${what} are in the pod's budget: beyond it they are refused, and all of it comes back`, async () => {
    // It never answers; where an endpoint is waited for, its backlog has room for the filler only.
    const system = new Sockets();
    const backlog = what === "requests that wait for an endpoint" ? 0 : 128;
    const fd = openListener(system, { at: { ip: "127.0.0.1", port: 0 }, backlog });
    const address = system.localAddress(fd);
    assert.ok(typeof address === "object");
    const filler = net.connect(address.port, address.ip);
    await once(filler, "connect");
    const limits = { maxBufferedBytesPerPod: 2 * MIB };
    const endpoints = [{ address: address.ip, port: address.port }];
    const timeouts = { connectMs: 0 };
    await using rig = await WorkerRig.start({ protocol, endpoints }, { limits, timeouts });
    const { refused, leave } = crowd(rig, 64, bytes);
    await until("some are refused", () => refused() > 0);
    const held = await heldBytes(rig);
    assert.ok(held <= 2 * MIB, `${held} bytes are held`);
    assert.ok(held > MIB, `${held} bytes are held: they are counted`);
    leave();
    await rig.workers.removed("client");
    assert.equal(await heldBytes(rig), 0);
    assert.ok(rig.count("refused", "memory-limit") > 0);
    filler.destroy();
    system.close(fd);
  });
