import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNoNewDescriptors, openDescriptors } from "../../test/support/descriptors.ts";
import type { Fault } from "../../test/support/faulty-system.ts";
import { FaultySystem } from "../../test/support/faulty-system.ts";
import { echo, LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import {
  EAGAIN,
  ECONNABORTED,
  ECONNRESET,
  EINTR,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOENT,
  ENOMEM,
  EPIPE,
} from "../kernel/errno.ts";
import { connect } from "./connect.ts";
import { Loop } from "./loop.ts";
import { relay } from "./relay.ts";
import type { System } from "./system.ts";

type Outcome = Fault["outcome"];

/** Which failures Linux may hand out for which call. */
const FAULTS: readonly (readonly [keyof System, readonly Outcome[]])[] = [
  ["read", ["short", -EAGAIN, -EINTR, -ENOMEM, -ENOBUFS, -ECONNRESET]],
  ["write", ["short", -EAGAIN, -EINTR, -ENOMEM, -ENOBUFS, -ECONNRESET, -EPIPE]],
  ["writev", ["short", -EAGAIN, -EINTR, -ENOMEM, -ENOBUFS, -ECONNRESET, -EPIPE]],
  ["accept", [-EAGAIN, -EINTR, -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, -ECONNABORTED]],
  ["socket", [-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM]],
  ["connect", [-EINTR, -ENOBUFS, -EAGAIN]],
  ["shutdown", [-ENOBUFS]],
  ["close", [-EINTR]],
  ["localAddress", [-ENOBUFS]],
  ["setOption", [-ENOMEM]],
  ["getOption", [-ENOBUFS]],
  ["lingerZero", [-ENOMEM]],
  ["unreadBytes", [-ENOMEM]],
  ["unsentBytes", [-ENOMEM]],
  ["epollAdd", [-ENOMEM]],
  // ENOENT is not among its errors: it was left in errno by another call of the thread.
  ["epollWait", [-EINTR, -ENOENT]],
  ["spareDescriptor", [-EMFILE]],
];

/** More than loopback's buffers take at once, so that queues, partial writes and pauses happen by themselves. */
const PAYLOAD: Buffer = Buffer.alloc(3_000_000);
for (let i = 0; i < PAYLOAD.length; i++) PAYLOAD[i] = (i * 31 + (i >> 8)) & 0xff;

/** Two clients → relay → echo, all in one loop on the system with the fault. Returns each client's record. */
function runScenario(system: FaultySystem, fault: Fault | undefined): Recorder[] {
  const lab = new LoopLab(system);
  const server = lab.serve(({ channel }) => {
    channel.handler = echo;
  });
  const proxy = lab.serve(({ channel }) => {
    const right = connect(lab.loop, { to: server, owner: lab.owner, timeoutMs: 500 }, echo);
    relay(lab.loop, { left: channel, right, idleTimeoutMs: 400 }, { onRelayEnd: () => undefined });
  });
  system.arm(fault);
  const clients = [PAYLOAD.length, 10].map((length) => {
    const client = new Recorder({
      onOpen: (channel) => {
        channel.write2(PAYLOAD, 0, 5, PAYLOAD, 5, length);
        channel.shutdown();
      },
    });
    lab.dial(proxy, client);
    return client;
  });
  lab.until(() => clients.every((client) => client.cause !== undefined), JSON.stringify(fault));
  lab.end();
  return clients;
}

function assertAllowed(clients: Recorder[], context: string): void {
  for (const [i, client] of clients.entries()) {
    const expected = PAYLOAD.subarray(0, i === 0 ? PAYLOAD.length : 10);
    const got = client.bytes;
    assert.ok(got.equals(expected.subarray(0, got.length)), `${context}: bytes are a true prefix`);
    if (client.cause?.kind === "closed")
      assert.equal(got.length, expected.length, `${context}: closed in order means complete`);
  }
}

test("without faults every byte comes back", () => {
  const system = new FaultySystem();
  const before = openDescriptors();
  const clients = runScenario(system, undefined);
  assertAllowed(clients, "no fault");
  assert.deepEqual(
    clients.map((client) => client.cause?.kind),
    ["closed", "closed"],
  );
  assert.ok(system.count("writev") > 1, "the scenario must queue");
  assertNoNewDescriptors(before);
});

for (const [call, outcomes] of FAULTS) {
  test(`no single failure of ${call} hangs, leaks, crashes or corrupts`, () => {
    for (const outcome of outcomes) {
      const system = new FaultySystem();
      const before = openDescriptors();
      for (let index = 0; ; index += index < 30 ? 1 : 7) {
        const clients = runScenario(system, { call, index, outcome });
        assertAllowed(clients, `${call} ${index} ${outcome}`);
        if (!system.struck) break;
        assertNoNewDescriptors(before, `${call} ${index} ${outcome}`);
      }
    }
  });
}

test("a loop that cannot be made leaves nothing behind", () => {
  for (const call of ["epollCreate", "eventfd", "epollAdd"] as const) {
    const system = new FaultySystem();
    const before = openDescriptors();
    system.arm({ call, index: 0, outcome: -EMFILE });
    assert.throws(() => new Loop({ system }), /EMFILE/);
    assertNoNewDescriptors(before, call);
  }
});
