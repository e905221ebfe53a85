/** What becomes of an agent whose data worker can't go on. */

import assert from "node:assert/strict";
import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
import net from "node:net";
import { test } from "node:test";
import { POD, VIP, WorkerRig } from "../support/worker-rig.ts";

const PATIENCE_MS = 5_000;

/** Descriptors of this process that are the same open socket. */
function descriptorsOf(socket: string): readonly number[] {
  return readdirSync("/proc/self/fd")
    .map(Number)
    .filter((fd) => linkOf(fd) === socket);
}

function linkOf(fd: number): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the descriptor of the listing itself
  }
}

/** Puts something else behind a descriptor's number. */
function replace(fd: number): void {
  closeSync(fd);
  const spares: number[] = [];
  for (let opened = openSync("/dev/null", "r"); opened !== fd; opened = openSync("/dev/null", "r"))
    spares.push(opened);
  for (const spare of spares) closeSync(spare);
}

test("a worker whose listener breaks ends, and says why", async () => {
  await using rig = await WorkerRig.start({ endpoints: [] });
  const socket = linkOf(rig.listenerFd);
  const ofWorker = descriptorsOf(socket).filter((fd) => fd !== rig.listenerFd);
  assert.equal(ofWorker.length, 1);
  replace(ofWorker[0] as number);
  const client = net.connect({ host: VIP, port: rig.port, localAddress: POD });
  client.on("error", () => undefined);
  const deadline = performance.now() + PATIENCE_MS;
  while (rig.bugs.length < 1 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10));
  client.destroy();
  assert.equal(rig.workers.count, 0);
  // Told once, although the thread's end follows.
  const bugs = rig.bugs.splice(0);
  assert.deepEqual(bugs.length, 1);
  assert.match(bugs[0] ?? "", /worker 0: .*a listener broke: ENOTSOCK/);
});
