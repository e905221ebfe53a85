/** Bounds on what clients can make a worker hold. */

import assert from "node:assert/strict";
import net from "node:net";
import { test } from "node:test";
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
