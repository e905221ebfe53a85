/**
 * The processes of the relay bench, chosen by the first argument:
 * `proxy UPSTREAM_PORT` the engine's relay; `source BYTES` sends to whoever connects; `ping PORT SECONDS N`
 * plays request and answer over N connections; `echo` answers. Servers print their port on the first line.
 */

import type { Channel, ChannelHandler } from "../../agent/engine/channel.ts";
import { connect } from "../../agent/engine/connect.ts";
import type { Accepted } from "../../agent/engine/listen.ts";
import { listen, openListener } from "../../agent/engine/listen.ts";
import { Loop } from "../../agent/engine/loop.ts";
import { relay } from "../../agent/engine/relay.ts";
import { addressOf, libc } from "../../agent/kernel/ffi.ts";
import { SO_REUSEADDR, SOL_SOCKET } from "../../agent/kernel/socket-constants.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";

const LOCALHOST = "127.0.0.1";
const MESSAGE = Buffer.alloc(100, "m");
const MSG_TRUNC = 0x20;
const O_NONBLOCK = 0x800;
const F_SETFL = 4;

const system = new Sockets();

function serve(loop: Loop, onAccept: (accepted: Accepted) => void): void {
  const fd = openListener(system, { at: { ip: LOCALHOST, port: 0 } });
  report(fd);
  listen(loop, { fd, owner: loop.owner(0) }, { onAccept, onAcceptFailed: fail });
}

function report(fd: number): void {
  const at = system.localAddress(fd);
  if (typeof at === "number") throw new Error(`no port: ${at}`);
  console.log(at.port);
}

function fail(errno: string): void {
  throw new Error(errno);
}

function proxy(port: number): void {
  const loop = new Loop({ system });
  const owner = loop.owner(0);
  const to = { ip: LOCALHOST, port };
  serve(loop, ({ channel }) => {
    const right = connect(loop, { to, owner, timeoutMs: 5000 }, channel.handler);
    relay(loop, { left: channel, right, idleTimeoutMs: 60_000 }, { onRelayEnd: () => undefined });
  });
  loop.run();
}

const ECHO: ChannelHandler = {
  onOpen: () => undefined,
  onData: (channel, buffer, start, end) => {
    channel.write(buffer, start, end);
  },
  onEnd: (channel) => channel.close(),
  onDrain: () => undefined,
  onClose: () => undefined,
};

function echo(): void {
  const loop = new Loop({ system });
  serve(loop, ({ channel }) => {
    channel.handler = ECHO;
  });
  loop.run();
}

/** Blocking and as cheap as it can be: 1 MiB writes to each client in turn. */
function source(bytes: number): void {
  const fd = openListener(system, { at: { ip: LOCALHOST, port: 0 } });
  system.setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  libc.fcntl(fd, F_SETFL, 0);
  report(fd);
  const block = new Uint8Array(1 << 20);
  const at = addressOf(block);
  for (;;) {
    const client = libc.accept4(fd, 0, 0, 0);
    let sent = 0;
    while (sent < bytes) {
      const n = libc.write(client, at, Math.min(block.length, bytes - sent));
      if (n < 0) break;
      sent += n;
    }
    libc.close(client);
  }
}

/** Reads to the end without copying; prints bytes and seconds. */
function sink(port: number): void {
  const fd = system.socket(LOCALHOST, -1);
  libc.fcntl(fd, F_SETFL, 0);
  const start = performance.now();
  system.connect(fd, { ip: LOCALHOST, port });
  let bytes = 0;
  for (;;) {
    const n = libc.recv(fd, 0, 1 << 22, MSG_TRUNC);
    if (n <= 0) break;
    bytes += n;
  }
  console.log(JSON.stringify({ bytes, seconds: (performance.now() - start) / 1000 }));
}

function ping(port: number, seconds: number, connections: number): void {
  const loop = new Loop({ system });
  const owner = loop.owner(0);
  let answers = 0;
  const end = performance.now() + seconds * 1000;
  const ask = (channel: Channel): void => {
    channel.write(MESSAGE, 0, MESSAGE.length);
  };
  const client: ChannelHandler = {
    onOpen: ask,
    onData: (channel) => {
      answers++;
      ask(channel);
    },
    onEnd: () => undefined,
    onDrain: () => undefined,
    onClose: (_channel, cause) => fail(JSON.stringify(cause)),
  };
  for (let i = 0; i < connections; i++)
    connect(loop, { to: { ip: LOCALHOST, port }, owner, timeoutMs: 5000 }, client);
  const start = performance.now();
  while (performance.now() < end) loop.turn(100);
  const took = (performance.now() - start) / 1000;
  console.log(JSON.stringify({ bytes: answers, seconds: took }));
  process.exit(0);
}

const [role, ...numbers] = process.argv.slice(2);
const [a = 0, b = 0, c = 0] = numbers.map(Number);
if (role === "proxy") proxy(a);
else if (role === "source") source(a);
else if (role === "sink") sink(a);
else if (role === "echo") echo();
else if (role === "ping") ping(a, b, c);
else throw new Error(`no role ${role}; O_NONBLOCK ${O_NONBLOCK}`);
