/** The agent's listeners of a pod move to another port: nobody notices. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { test } from "node:test";
import { NETLINK, openNetlink } from "../../agent/kernel/netlink.ts";
import { listListeners } from "../../agent/kernel/sock-diag.ts";
import { until } from "../support/until.ts";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

/** How many listen at the service's place. */
function listenersAt(port: number): number {
  using netlink = openNetlink(undefined, NETLINK.SOCK_DIAG);
  return listListeners(netlink).filter((one) => one.address === VIP && one.port === port).length;
}

async function echoed(socket: Socket, word: string): Promise<string> {
  socket.write(word);
  const [data] = await once(socket, "data", { signal: AbortSignal.timeout(5000) });
  return String(data);
}

test("what came to the former listener goes on, new connections are taken all the time, and it is closed", async (t) => {
  const server = createServer((socket) => socket.pipe(socket));
  t.after(() => server.close());
  server.listen(0, "127.0.0.4");
  await once(server, "listening");
  const at = server.address();
  assert.ok(at !== null && typeof at === "object");
  {
    await using rig = await WorkerRig.start({
      protocol: "tcp",
      endpoints: [{ address: "127.0.0.4", port: at.port }],
    });
    const dial = (): Socket => connect({ host: VIP, port: rig.port, localAddress: POD });
    const held = dial();
    assert.equal(await echoed(held, "before"), "before");
    await rig.moveListener();
    assert.equal(listenersAt(rig.port), 2);
    let resets = 0;
    await until("the former listener is closed", async () => {
      const one = dial();
      const answer = await echoed(one, "meanwhile").catch(String);
      if (answer !== "meanwhile") {
        assert.match(answer, /ECONNRESET/);
        resets++;
      }
      one.destroy();
      return listenersAt(rig.port) === 1;
    });
    // Here the kernel spreads connections over both listeners, also over one that closes in this moment; an agent's programs
    // lead none to the former one any more.
    assert.ok(resets <= 1, `${resets} connections were reset`);
    assert.equal(await echoed(held, "after"), "after");
    held.destroy();
  }
});
