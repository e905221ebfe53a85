/** What the kernel's programs note of setsockopt(), and that its callers notice nothing of it. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ensureBpffs, unmountBpffs } from "ebpf-loader-wasm";
import { openListener } from "../../agent/engine/listen.ts";
import { MeshBpf } from "../../agent/kernel/bpf.ts";
import { errnoName } from "../../agent/kernel/errno.ts";
import { addressOf, lastErrno, libc } from "../../agent/kernel/ffi.ts";
import { MARK_CAUGHT, MARK_INBOUND, MARK_UPSTREAM } from "../../agent/kernel/layout.gen.ts";
import { setLink } from "../../agent/kernel/links.ts";
import { currentNetnsCookie } from "../../agent/kernel/namespace-calls.ts";
import { NETLINK, openNetlink } from "../../agent/kernel/netlink.ts";
import { openNetns, writeSysctl } from "../../agent/kernel/netns.ts";
import type { ToldPatience } from "../../agent/kernel/patience-map.ts";
import {
  AF_INET,
  AF_INET6,
  IP_BIND_ADDRESS_NO_PORT,
  SO_KEEPALIVE,
  SO_MARK,
  SO_RCVBUF,
  SOCK_STREAM,
  SOL_IP,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_NODELAY,
  TCP_USER_TIMEOUT,
} from "../../agent/kernel/socket-constants.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";
import { CgroupLab } from "../support/cgroup-lab.ts";

const TCP_CONGESTION = 13;
const SOCK_DGRAM = 2;
/** More than the kernel shows a program of a value: a page. */
const LONG_BYTES = 10_000;
const POD = {
  flags: 0,
  device: 0,
  ipv4: { word: [0, 0, 0, 0] },
  ipv6: { word: [0, 0, 0, 0] },
  settings: 0,
  listenerPort: 0,
};
const TOLD = { idleS: 11, intervalS: 12, probes: 13, userTimeoutMs: 14_000, keepAlive: true };

/** This process's namespace as an enrolled pod's, with the mesh's programs attached. */
function mesh(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "nodemesh-bpf-"));
  const bpffs = join(directory, "bpf");
  ensureBpffs(bpffs);
  const cgroup = new CgroupLab();
  cgroup.join();
  const bpf = new MeshBpf({
    // This namespace is the pod's here.
    node: 0n,
    pinDirectory: join(bpffs, "agent"),
    cgroup: cgroup.path,
  });
  t.after(() => {
    bpf.uninstall();
    cgroup[Symbol.dispose]();
    unmountBpffs(bpffs);
    rmSync(directory, { recursive: true });
  });
  const cookie = currentNetnsCookie();
  bpf.maps.pods.set(cookie, POD);
  return { bpf, cookie, system: new Sockets(bpf.mapFds) };
}

/** One call of an application: the value's bytes, of which `length` are announced. */
interface Call {
  readonly level: number;
  readonly name: number;
  readonly value: number | string;
  readonly length: number;
  readonly datagram?: boolean;
}

const ints = (level: number, name: number, ...values: readonly number[]): Call[] =>
  values.map((value) => ({ level, name, value, length: 4 }));
const long = (level: number, name: number, value: number): Call => {
  return { level, name, value, length: LONG_BYTES };
};

const CALLS: readonly Call[] = [
  ...ints(SOL_SOCKET, SO_KEEPALIVE, 1, 0, 7, -1),
  ...ints(SOL_TCP, TCP_KEEPIDLE, 5, 1, 32_767, 0, 32_768, -1),
  ...ints(SOL_TCP, TCP_KEEPINTVL, 6, 32_767, 0, 32_768),
  ...ints(SOL_TCP, TCP_KEEPCNT, 7, 127, 0, 128),
  ...ints(SOL_TCP, TCP_USER_TIMEOUT, 3000, 0, -1),
  ...ints(SOL_TCP, TCP_NODELAY, 1),
  ...ints(SOL_SOCKET, SO_RCVBUF, 65_536),
  ...ints(SOL_TCP, 9999, 1),
  ...[0, 1, 3, -4].map((length) => ({ level: SOL_TCP, name: TCP_KEEPIDLE, value: 9, length })),
  { level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1, length: 2 },
  { level: SOL_TCP, name: TCP_CONGESTION, value: "reno", length: 4 },
  { level: SOL_SOCKET, name: SO_KEEPALIVE, value: 1, length: 4, datagram: true },
  long(SOL_SOCKET, SO_KEEPALIVE, 1),
  long(SOL_TCP, TCP_KEEPIDLE, 21),
  long(SOL_TCP, TCP_NODELAY, 1),
  long(SOL_SOCKET, SO_RCVBUF, 70_000),
];

/** What each call gives on a socket of its own: its result, and what the kernel has of the option then. */
function results(): string[] {
  return CALLS.map(({ level, name, value, length, datagram = false }) => {
    const fd = libc.socket(AF_INET, datagram ? SOCK_DGRAM : SOCK_STREAM, 0);
    const memory = Buffer.alloc(LONG_BYTES);
    if (typeof value === "string") memory.write(value);
    else memory.writeInt32LE(value);
    const failed = libc.setsockopt(fd, level, name, addressOf(memory), length) < 0;
    const outcome = failed ? errnoName(lastErrno()) : "ok";
    const left = new Int32Array(4);
    const size = Int32Array.of(16);
    libc.getsockopt(fd, level, name, addressOf(left), addressOf(size));
    libc.close(fd);
    return `${level} ${name} ${value} (${length}): ${outcome} ${left.join(" ")}`;
  });
}

/** As an enrolled pod has it: the application's end takes the mark of the agent's connection over. */
function loopback(): void {
  const netns = openNetns("/proc/self/ns/net");
  using netlink = openNetlink(netns, NETLINK.ROUTE);
  setLink(netlink, "lo", { up: true });
  writeSysctl(netns, "net/ipv4/tcp_fwmark_accept", "1");
  libc.close(netns);
}

function tell(system: Sockets, fd: number, told: ToldPatience): void {
  for (const [level, name, value] of [
    [SOL_SOCKET, SO_KEEPALIVE, told.keepAlive ? 1 : 0],
    [SOL_TCP, TCP_KEEPIDLE, told.idleS],
    [SOL_TCP, TCP_KEEPINTVL, told.intervalS],
    [SOL_TCP, TCP_KEEPCNT, told.probes],
    [SOL_TCP, TCP_USER_TIMEOUT, told.userTimeoutMs],
  ] as const)
    assert.equal(system.setOption(fd, level, name, value), 0);
}

/** Blocking sockets, so that a connect is over when it returns. */
function socket(ip: string): number {
  return libc.socket(ip.includes(":") ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
}

test("setsockopt() gives what it gave without the mesh, also for values of more than a page", (t) => {
  const before = results();
  mesh(t);
  assert.deepEqual(results(), before);
  assert.equal(before.filter((line) => line.includes(": ok")).length, 21);
});

for (const ip of ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
  test(`an application's connection: what it said before and after connect() (${ip})`, (t) => {
    loopback();
    const { cookie, system } = mesh(t);
    const listener = openListener(system, { at: { ip: ip === "::1" ? "::" : "0.0.0.0", port: 0 } });
    const at = system.localAddress(listener);
    assert.ok(typeof at === "object");
    const near = socket(ip);
    assert.equal(system.claim(near, MARK_CAUGHT), 0);
    const { keepAlive, idleS, ...later } = TOLD;
    tell(system, near, { keepAlive, idleS, intervalS: 1, probes: 1, userTimeoutMs: 0 });
    assert.equal(system.connect(near, { ip, port: at.port }), 0);
    const agents = system.accept(listener);
    assert.deepEqual(system.peerPatience(agents, cookie), {
      ...{ keepAlive, idleS, intervalS: 1, probes: 1, userTimeoutMs: 0 },
    });
    assert.equal(system.peerPatience(agents, cookie + 1n), undefined);
    for (const [name, value] of [
      [TCP_KEEPINTVL, later.intervalS],
      [TCP_KEEPCNT, later.probes],
      [TCP_USER_TIMEOUT, later.userTimeoutMs],
    ] as const)
      assert.equal(system.setOption(near, SOL_TCP, name, value), 0);
    assert.deepEqual(system.peerPatience(agents, cookie), TOLD);
    // What the kernel refuses was not said.
    assert.ok(system.setOption(near, SOL_TCP, TCP_KEEPIDLE, 0) < 0);
    assert.deepEqual(system.peerPatience(agents, cookie), TOLD);
    for (const fd of [near, agents, listener]) system.close(fd);
  });

test("a server's listener: what it was told is its connections' too", (t) => {
  loopback();
  const { cookie, system } = mesh(t);
  const listener = openListener(system, { at: { ip: "0.0.0.0", port: 0 } });
  tell(system, listener, TOLD);
  const at = system.localAddress(listener);
  assert.ok(typeof at === "object");
  const agents = socket("127.0.0.1");
  assert.equal(system.claim(agents, MARK_INBOUND), 0);
  system.setOption(agents, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  system.bind(agents, { ip: "127.0.0.1", port: 0 });
  assert.equal(system.connect(agents, { ip: "127.0.0.1", port: at.port }), 0);
  const far = system.accept(listener);
  assert.deepEqual(system.peerPatience(agents, cookie), TOLD);
  tell(system, far, { ...TOLD, keepAlive: false });
  assert.deepEqual(system.peerPatience(agents, cookie), { ...TOLD, keepAlive: false });
  for (const fd of [agents, far, listener]) system.close(fd);
});

test("nothing is noted of connections that the agent does not carry, nor of pods that are not enrolled", (t) => {
  loopback();
  const { bpf, cookie, system } = mesh(t);
  const listener = openListener(system, { at: { ip: "0.0.0.0", port: 0 } });
  const at = system.localAddress(listener);
  assert.ok(typeof at === "object");
  const dial = (mark: number): void => {
    const near = socket("127.0.0.1");
    tell(system, near, TOLD);
    assert.equal(system.connect(near, { ip: "127.0.0.1", port: at.port }), 0);
    // Not before: connect() takes a mark of the mesh away.
    system.setOption(near, SOL_SOCKET, SO_MARK, mark);
    tell(system, near, TOLD);
    system.close(near);
  };
  for (const mark of [0, MARK_UPSTREAM, 0x6f000000]) dial(mark);
  bpf.maps.pods.delete(cookie);
  dial(MARK_CAUGHT);
  assert.deepEqual([...bpf.maps.patience.entries()], []);
  bpf.maps.pods.set(cookie, POD);
  dial(MARK_CAUGHT);
  assert.equal([...bpf.maps.patience.entries()].length, 1);
  system.close(listener);
});
