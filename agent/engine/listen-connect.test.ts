import assert from "node:assert/strict";
import { test } from "node:test";
import { assertNoNewDescriptors, openDescriptors } from "../../test/support/descriptors.ts";
import { FaultySystem } from "../../test/support/faulty-system.ts";
import { echo, LoopLab, Recorder } from "../../test/support/loop-lab.ts";
import { EADDRNOTAVAIL, EMFILE, EPIPE } from "../kernel/errno.ts";
import { libc } from "../kernel/ffi.ts";
import { closeNetns, createNetns, deleteNetns, openNetns } from "../kernel/netns.ts";
import { Sockets } from "../kernel/sockets.ts";
import { connect } from "./connect.ts";
import type { Accepted } from "./listen.ts";
import { listen, openListener } from "./listen.ts";

test("a dual-stack listener tells addresses as canonical text, mapped ones as plain IPv4", () => {
  const lab = new LoopLab();
  const accepted: Accepted[] = [];
  const { port } = lab.serve((one) => {
    accepted.push(one);
    one.channel.handler = echo;
  }, "::");
  const channels = ["127.0.0.1", "::1"].map((ip) => lab.dial({ ip, port }, new Recorder()));
  lab.until(() => accepted.length === 2, "both accepted");
  assert.deepEqual(accepted.map(({ local }) => local).sort(), [
    { ip: "127.0.0.1", port },
    { ip: "::1", port },
  ]);
  assert.deepEqual(accepted.map(({ remote }) => remote.ip).sort(), ["127.0.0.1", "::1"]);
  for (const channel of channels) channel.reset();
  lab.end();
});

test("a refused connection is told by its errno, a port that drops everything by ETIMEDOUT", () => {
  const lab = new LoopLab();
  const refused = new Recorder();
  lab.dial({ ip: "127.0.0.1", port: 1 }, refused);
  assert.equal(refused.cause, undefined, "not inside the call");
  lab.until(() => refused.cause !== undefined, "refused");
  assert.deepEqual(refused.cause, { kind: "failed", errno: "ECONNREFUSED" });

  // A listener that never accepts, with a full backlog, answers no SYN.
  const fd = openListener(lab.loop.system, { at: { ip: "127.0.0.1", port: 0 }, backlog: 0 });
  const to = lab.loop.system.localAddress(fd);
  assert.ok(typeof to === "object");
  const attempts = Array.from({ length: 4 }, () => {
    const recorder = new Recorder();
    connect(lab.loop, { to, owner: lab.owner, timeoutMs: 150 }, recorder);
    return recorder;
  });
  lab.until(() => attempts.some(({ cause }) => cause !== undefined), "timed out");
  assert.deepEqual(attempts.find(({ cause }) => cause !== undefined)?.cause, {
    kind: "failed",
    errno: "ETIMEDOUT",
  });
  lab.loop.system.close(fd);
  lab.until(
    () => attempts.every(({ cause, log }) => cause !== undefined || log.includes("open")),
    "settled",
  );
  lab.loop.turn(0);
  lab.until(() => attempts.every(({ cause }) => cause !== undefined), "all ended");
  lab.end();
});

test("an address that is no address fails with EINVAL and leaks nothing", () => {
  const before = openDescriptors();
  const lab = new LoopLab();
  const recorder = new Recorder();
  lab.dial({ ip: "not an address", port: 1 }, recorder);
  lab.until(() => recorder.cause !== undefined, "told");
  assert.deepEqual(recorder.cause, { kind: "failed", errno: "EINVAL" });
  lab.end();
  assertNoNewDescriptors(before);
});

test("out of descriptors, a listener refuses one client, pauses, then accepts again", () => {
  const system = new FaultySystem();
  const lab = new LoopLab(system);
  const at = lab.serve(({ channel }) => {
    channel.handler = echo;
  });
  system.arm({ call: "accept", index: 0, outcome: -EMFILE });
  const first = new Recorder();
  lab.dial(at, first);
  lab.until(() => first.cause !== undefined, "refused at once");
  assert.equal(first.cause?.kind, "reset");
  assert.deepEqual(lab.acceptErrors, ["EMFILE"]);
  const accepts = system.count("accept");
  const second = new Recorder({ onOpen: (channel) => channel.shutdown() });
  lab.dial(at, second);
  lab.until(() => second.cause !== undefined, "accepted after the pause");
  assert.equal(second.cause?.kind, "closed");
  assert.ok(system.count("accept") - accepts <= 4, "no spinning");
  lab.end();
});

test("a listener and a connection live in the namespace they were asked for, the thread in its own", () => {
  const path = `/run/nodemesh-engine-test-${process.pid}`;
  createNetns(path);
  const netns = openNetns(path);
  const before = openDescriptors();
  const system = new Sockets();
  const lab = new LoopLab(system);
  try {
    // Loopback is down in a new namespace: listening works, connecting says so.
    const fd = openListener(system, { at: { ip: "127.0.0.1", port: 0 }, netns, transparent: true });
    const at = system.localAddress(fd);
    assert.ok(typeof at === "object");
    const inside = new Recorder();
    const outside = new Recorder();
    const { owner } = lab;
    connect(lab.loop, { to: at, owner, timeoutMs: 200, netns, mark: 5 }, inside);
    connect(lab.loop, { to: at, owner, timeoutMs: 200 }, outside);
    lab.until(() => inside.cause !== undefined && outside.cause !== undefined, "both failed");
    assert.deepEqual(inside.cause, { kind: "failed", errno: "ENETUNREACH" });
    assert.deepEqual(outside.cause, { kind: "failed", errno: "ECONNREFUSED" });
    system.close(fd);
  } finally {
    closeNetns(netns);
    deleteNetns(path);
  }
  lab.end();
  system.dispose();
  before.delete(netns);
  assertNoNewDescriptors(before);
});

test("a transparent source address is what the server sees", () => {
  const lab = new LoopLab();
  const seen: string[] = [];
  const at = lab.serve(({ channel, remote }) => {
    seen.push(remote.ip);
    channel.handler = echo;
  });
  const recorder = new Recorder({ onOpen: (channel) => channel.shutdown() });
  const source = { ip: "127.9.8.7", port: 0 };
  connect(lab.loop, { to: at, owner: lab.owner, timeoutMs: 500, source, mark: 0 }, recorder);
  lab.until(() => recorder.cause !== undefined, "echoed");
  assert.deepEqual(seen, ["127.9.8.7"]);
  lab.end();
});

interface Dials {
  readonly localPorts: { readonly first: number; readonly last: number };
  readonly count: number;
  /** Called when the listener is there. */
  readonly arm?: () => void;
}

/** Dials `count` times from these ports and keeps the connections; tells each one's port, or why there is none. */
function dialFrom(lab: LoopLab, { localPorts, count, arm }: Dials): (number | string)[] {
  const ports: number[] = [];
  const to = lab.serve(({ channel, remote }) => {
    ports.push(remote.port);
    channel.handler = echo;
  });
  arm?.();
  const recorders = Array.from({ length: count }, () => new Recorder());
  const channels = recorders.map((recorder) =>
    connect(lab.loop, { to, owner: lab.owner, timeoutMs: 500, localPorts }, recorder),
  );
  const failures = (): string[] =>
    recorders.flatMap(({ cause }) => (cause?.kind === "failed" ? [cause.errno] : []));
  lab.until(() => ports.length + failures().length === count, "all accepted or failed");
  const seen = [...ports, ...failures()];
  for (const [i, channel] of channels.entries())
    if (recorders[i]?.cause === undefined) channel.reset();
  lab.end();
  return seen;
}

test("connections come from all ports of the range they were given, and from no other", () => {
  const localPorts = { first: 41_000, last: 41_599 };
  const ports = dialFrom(new LoopLab(), { localPorts, count: 450 }).map(Number);
  assert.equal(new Set(ports).size, 450);
  assert.ok(Math.min(...ports) >= 41_000 && Math.max(...ports) <= 41_599);
  // A part is 256 ports: neither 450 different ones nor both ends would come from one or two.
  assert.ok(Math.min(...ports) < 41_172 && Math.max(...ports) >= 41_428, `${ports}`);
});

test("a range without a free port is an error after a few searches, not a long one", () => {
  const system = new FaultySystem();
  const lab = new LoopLab(system);
  system.arm(undefined);
  const seen = dialFrom(lab, { localPorts: { first: 41_700, last: 41_703 }, count: 5 });
  assert.deepEqual(seen.sort(), [41_700, 41_701, 41_702, 41_703, "EADDRNOTAVAIL"]);
  assert.equal(system.count("connect"), 4 + 8);
});

test("a part of the range without a free port is followed by another", () => {
  const system = new FaultySystem();
  const lab = new LoopLab(system);
  system.arm({ call: "connect", index: 0, outcome: -EADDRNOTAVAIL });
  const [port] = dialFrom(lab, { localPorts: { first: 41_800, last: 42_799 }, count: 1 });
  assert.ok(Number(port) >= 41_800 && Number(port) <= 42_799, `${port}`);
  assert.equal(system.count("connect"), 2);
});

test("a kernel that can't search in parts searches by itself", () => {
  const system = new FaultySystem();
  const lab = new LoopLab(system);
  // Third after TCP_NODELAY and SO_OOBINLINE; which error does not matter.
  const arm = (): void => system.arm({ call: "setOption", index: 2, outcome: -EPIPE });
  const [port] = dialFrom(lab, { localPorts: { first: 41_900, last: 41_900 }, count: 1, arm });
  assert.ok(system.struck);
  assert.ok(Number(port) > 0 && port !== 41_900, `${port}`);
  assert.equal(system.count("connect"), 1);
});

test("a broken listener says so once, as fatal", () => {
  const lab = new LoopLab();
  const fd = openListener(lab.loop.system, { at: { ip: "127.0.0.1", port: 0 } });
  const told: [string, boolean][] = [];
  const handler = {
    onAccept: () => undefined,
    onAcceptFailed: (errno: string, fatal: boolean) => told.push([errno, fatal]),
  };
  listen(lab.loop, { fd, owner: lab.owner }, handler);
  // shutdown(2) makes a listener unusable and wakes its waiters.
  libc.shutdown(fd, 2);
  lab.until(() => told.length > 0, "told");
  assert.deepEqual(told, [["EINVAL", true]]);
  lab.end();
});
