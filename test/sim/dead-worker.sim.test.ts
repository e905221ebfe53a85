/** A data worker of a real agent breaks: the agent ends with an error, and each pod gets what its mesh/fail says. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { libc } from "../../agent/kernel/ffi.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import { idlePod, MeshLab, serviceOf } from "../support/mesh-lab.ts";
import { OwnAgent } from "../support/own-agent.ts";
import type { PodPeer } from "../support/pod-peer.ts";
import { until } from "../support/until.ts";

const PORT = 7000;
/** System calls without a libc wrapper, by their numbers (the same on x86-64 and arm64). */
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;
/** agent/redirect/listeners.ts. */
const LISTENER_ADDRESS = /(?:^|:)192\.0\.0\.8$/;
const SHUT_RDWR = 2;

let lab: MeshLab;
let open: PodPeer;
let closed: PodPeer;
let server: PodPeer;
let host: string;

before(async () => {
  lab = await MeshLab.start(
    "dead-worker",
    idlePod("open", "node-1", { "mesh/enabled": "true" }) +
      idlePod("closed", "node-1", { "mesh/enabled": "true", "mesh/fail": "closed" }) +
      idlePod("server", "node-2") +
      serviceOf("server", { bytes: [PORT, "tcp"] }),
  );
  const { services } = await lab.status();
  host = services.find(({ name }) => name === "server")?.clusterIPs[0] ?? "";
  [open, closed, server] = [lab.peer("open"), lab.peer("closed"), lab.peer("server")];
  await (await server.listen(PORT)).echo();
});

after(async () => {
  for (const peer of [open, closed, server]) await peer[Symbol.asyncDispose]();
  await lab[Symbol.asyncDispose]();
});

/** Takes a listening socket of the process out of service; how many it found. */
function breakListeners(pid: number): number {
  const sockets = new Sockets();
  const process = libc.syscall(PIDFD_OPEN, pid, 0, 0, 0, 0, 0);
  assert.ok(process >= 0, "pidfd_open");
  let broken = 0;
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    const copy = libc.syscall(PIDFD_GETFD, process, Number(fd), 0, 0, 0, 0);
    if (copy < 0) continue;
    const address = sockets.localAddress(copy);
    const found = typeof address !== "number" && LISTENER_ADDRESS.test(address.ip);
    if (found && libc.shutdown(copy, SHUT_RDWR) === 0) broken++;
    sockets.close(copy);
  }
  sockets.close(process);
  sockets.dispose();
  return broken;
}

test("an agent whose worker breaks ends with an error; its pods fare as mesh/fail says", async () => {
  const agent = await OwnAgent.replace(lab, "node-1", []);
  for (const peer of [open, closed]) {
    const socket = await peer.connect(host, PORT);
    await socket.write("before");
    assert.equal((await socket.read(6)).text, "before");
    await socket.end();
  }
  assert.ok(breakListeners(agent.pid) > 0, "no listener was found");
  await until("the agent's end", () => agent.ended);
  assert.equal(agent.exitCode, 1);
  const { failed } = await open.ask({ op: "burst", host, port: PORT, count: 100, parallel: 4 });
  assert.equal(failed, 0);
  await assert.rejects(closed.connect(host, PORT), /ECONNREFUSED/);
});
