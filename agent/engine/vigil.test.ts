import assert from "node:assert/strict";
import { test } from "node:test";
import {
  SO_KEEPALIVE,
  SOL_SOCKET,
  SOL_TCP,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_USER_TIMEOUT,
} from "../kernel/socket-constants.ts";
import { Sockets } from "../kernel/sockets.ts";
import type { ToldPatience } from "./system.ts";
import { type Near, Vigil } from "./vigil.ts";

const QUICK = { idleS: 2, intervalS: 3, probes: 4, userTimeoutMs: 5000 };
/** As every kernel has it, and every namespace that nobody changed. */
const KERNELS = { idleS: 7200, intervalS: 75, probes: 9, userTimeoutMs: 0 };
const SILENT = { idleS: 0, intervalS: 0, probes: 0, userTimeoutMs: 0 };

/** A real socket's vigil, and what the kernel says of the socket. */
function watched() {
  const system = new Sockets();
  const fd = system.socket("127.0.0.1", -1);
  const read = () => ({
    probing: system.getOption(fd, SOL_SOCKET, SO_KEEPALIVE) === 1,
    idleS: system.getOption(fd, SOL_TCP, TCP_KEEPIDLE),
    intervalS: system.getOption(fd, SOL_TCP, TCP_KEEPINTVL),
    probes: system.getOption(fd, SOL_TCP, TCP_KEEPCNT),
    userTimeoutMs: system.getOption(fd, SOL_TCP, TCP_USER_TIMEOUT),
  });
  return { vigil: new Vigil(system, fd), read, [Symbol.dispose]: () => void system.close(fd) };
}

/** An application that says what it is set to; how often it was asked. */
class Application implements Near {
  says: ToldPatience | undefined = { ...QUICK, keepAlive: true };
  asked = 0;

  peerPatience(): ToldPatience | undefined {
    this.asked++;
    return this.says;
  }
}

test("a socket is told all of it, and what is left to the kernel stays the kernel's", () => {
  using quick = watched();
  quick.vigil.bear(QUICK);
  assert.deepEqual(quick.read(), { probing: true, ...QUICK });
  using silent = watched();
  silent.vigil.bear(SILENT);
  assert.deepEqual(silent.read(), { probing: true, ...KERNELS });
});

test("what was set goes back to the kernel's own values", () => {
  using socket = watched();
  socket.vigil.bear(QUICK);
  socket.vigil.bear({ ...SILENT, intervalS: 3 });
  assert.deepEqual(socket.read(), { probing: true, ...KERNELS, intervalS: 3 });
  socket.vigil.bear(SILENT);
  assert.deepEqual(socket.read(), { probing: true, ...KERNELS });
});

test("an application is asked once, and again when that is wanted or another one is near", () => {
  using socket = watched();
  const [first, second] = [new Application(), new Application()];
  for (let i = 0; i < 3; i++) socket.vigil.ask(first, 1n, false);
  assert.equal(first.asked, 1);
  socket.vigil.ask(first, 1n, true);
  assert.equal(first.asked, 2);
  second.says = undefined;
  assert.equal(socket.vigil.ask(second, 1n, false), undefined);
  assert.equal(socket.vigil.ask(undefined, 1n, true), undefined);
});

test("what an application said holds until it says something else, also when it is forgotten", () => {
  using socket = watched();
  const near = new Application();
  const said = socket.vigil.ask(near, 1n, false);
  near.says = undefined;
  assert.equal(socket.vigil.ask(near, 1n, true), said);
  near.says = { ...SILENT, keepAlive: false };
  assert.equal(socket.vigil.ask(near, 1n, true), near.says);
});
