/**
 * An application's process in a pod, for tests: serves and dials plain TCP and UDP, and tells what it saw.
 * Started by Child.start() in the pod's namespace. Dials block this process: serve from another one.
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { errnoName } from "../../agent/kernel/errno.ts";
import { addressOf, lastErrno, libc } from "../../agent/kernel/ffi.ts";
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES } from "../../agent/kernel/sockaddr.ts";
import {
  AF_INET,
  AF_INET6,
  IPV6_V6ONLY,
  SO_BINDTODEVICE,
  SO_MARK,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
} from "../../agent/kernel/socket-constants.ts";
import { answerCalls } from "./child-calls.ts";

const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const TCP_FASTOPEN_CONNECT = 30;
const TCP_FASTOPEN_NO_COOKIE = 34;
const MSG_NOSIGNAL = 0x4000;
/** Long enough for a busy machine; a dial that takes as long counts as hanging. */
const PATIENCE_SECONDS = 3n;

/** Where to serve or dial. IPv4-mapped texts (`::ffff:…`) dial with an IPv6 socket. */
export interface Where {
  readonly host: string;
  readonly port: number;
  /** SO_MARK to set first. */
  readonly mark?: number;
  /** The port to dial from; the kernel's choice when left out. */
  readonly from?: number;
  /** The address to dial from. */
  readonly source?: string;
  /** Index of the interface, for a link-local address. */
  readonly scope?: number;
  /** Name of the interface to bind to (SO_BINDTODEVICE). */
  readonly through?: string;
  /** SO_MARK to set between connect() and the SYN, which TCP Fast Open puts off until the first byte is sent. */
  readonly lateMark?: number;
}

/** How to listen. */
export interface Listening {
  readonly host: string;
  readonly port: number;
  /** Refuse IPv4 on an IPv6 socket. */
  readonly ipv6Only?: boolean;
  /** Others may listen there too. */
  readonly reusePort?: boolean;
  /** Name of the only interface to listen on. */
  readonly device?: string;
}

/** How a dial went: an error's symbolic name, or what was seen. */
export interface Dialled {
  readonly error?: string;
  /** Everything the other side sent until it closed. */
  readonly answer?: string;
  /** getsockname() and getpeername() after connect. */
  readonly local?: string;
  readonly remote?: string;
  readonly mark?: number;
  readonly milliseconds: number;
}

/** What a pod's process can be asked for. */
export type PodProcess = {
  /** Answers every connection with the address it comes from, with `ports` the port too, and closes. */
  serve(where: Where & { readonly ports?: boolean }): Promise<void>;
  /** Connects, reads to the end, closes. */
  dial(where: Where): Dialled;
  /** Dials `count` times, one after the other: how often each answer or error came. */
  dialAll(where: Where & { readonly count: number }): Readonly<Record<string, number>>;
  /** Connects and closes `count` times; nanoseconds for each. */
  dialMany(where: Where & { readonly count: number }): number;
  /** Echoes on every connection for as long as it stays open. */
  serveEcho(where: Where): Promise<void>;
  /** How many connections serveEcho() took, by the address that each came from. */
  echoed(): Readonly<Record<string, number>>;
  /** Has `count` connections to an echo answered, one after the other, and closes each first; how many were answered. */
  ask(where: Where & { readonly count: number }): number;
  /** Opens `count` connections to an echo and keeps them; how many could be opened and answered. */
  hold(where: Where & { readonly count: number }): number;
  /** Says something on every held connection; how many are still answered. */
  talk(): number;
  /** Binds every port of a range, or what is still free of it, until this process ends; how many. */
  takePorts(range: { readonly first: number; readonly last: number }): number;
  /** Begins to listen without ever accepting; a descriptor, or an error's symbolic name. */
  listen(where: Listening): number | string;
  /** Closes what listen() gave. */
  close(fd: number): void;
  /** Only connects: undefined when that succeeds, else an error's symbolic name. */
  knock(where: Where): string | undefined;
  serveUdp(where: Where): Promise<void>;
  /** Sends one datagram and returns the answer. */
  dialUdp(where: Where): Promise<string>;
};

async function serve({ host, port, ports }: Where & { readonly ports?: boolean }): Promise<void> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => socket.destroy());
    const from = `${socket.remoteAddress}${ports ? ` ${socket.remotePort}` : ""}`;
    socket.end(`application sees ${from}`);
  });
  server.listen({ host, port, ipv6Only: host.includes(":") });
  await once(server, "listening");
}

function listen({ host, port, ipv6Only, reusePort, device }: Listening): number | string {
  const fd = libc.socket(host.includes(":") ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const one = Uint32Array.of(1);
  const set = (level: number, name: number): unknown =>
    libc.setsockopt(fd, level, name, addressOf(one), 4);
  set(SOL_SOCKET, SO_REUSEADDR);
  if (ipv6Only === true) set(SOL_IPV6, IPV6_V6ONLY);
  if (reusePort === true) set(SOL_SOCKET, SO_REUSEPORT);
  if (device !== undefined) {
    const name = Buffer.from(device);
    libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, addressOf(name), name.length);
  }
  const address = new Uint8Array(SOCKADDR_BYTES);
  const length = encodeSockaddr({ ip: host, port }, address) ?? 0;
  if (libc.bind(fd, addressOf(address), length) < 0 || libc.listen(fd, 64) < 0) {
    const error = errnoName(lastErrno());
    libc.close(fd);
    return error;
  }
  return fd;
}

function knock({ host, port }: Where): string | undefined {
  const fd = libc.socket(host.includes(":") ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    setPatience(fd);
    const address = new Uint8Array(SOCKADDR_BYTES);
    const length = encodeSockaddr({ ip: host, port }, address) ?? 0;
    return libc.connect(fd, addressOf(address), length) < 0 ? errnoName(lastErrno()) : undefined;
  } finally {
    libc.close(fd);
  }
}

function dial(where: Where): Dialled {
  const started = performance.now();
  const family = where.host.includes(":") ? AF_INET6 : AF_INET;
  const fd = libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    return { ...converse(fd, where), milliseconds: performance.now() - started };
  } finally {
    libc.close(fd);
  }
}

function converse(fd: number, where: Where): Omit<Dialled, "milliseconds"> {
  setPatience(fd);
  setOptions(fd, where);
  const failed = bindAndConnect(fd, where);
  if (failed < 0) return { error: errnoName(lastErrno()) };
  const [local, remote] = [nameOf("getsockname", fd), nameOf("getpeername", fd)];
  const answer = receiveAll(fd);
  if (typeof answer === "number") return { error: errnoName(answer), local, remote };
  return { answer, local, remote, mark: markOf(fd) };
}

function setOptions(fd: number, { mark, through, lateMark }: Where): void {
  if (mark !== undefined) setInt(fd, SOL_SOCKET, SO_MARK, mark);
  if (through !== undefined) {
    const name = Buffer.from(`${through}\0`);
    libc.setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, addressOf(name), name.length);
  }
  if (lateMark === undefined) return;
  setInt(fd, SOL_TCP, TCP_FASTOPEN_CONNECT, 1);
  setInt(fd, SOL_TCP, TCP_FASTOPEN_NO_COOKIE, 1);
}

/** Below 0: what failed left its errno. */
function bindAndConnect(fd: number, where: Where): number {
  const address = new Uint8Array(SOCKADDR_BYTES);
  if (where.from !== undefined || where.source !== undefined) {
    setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    const ip = where.source ?? (where.host.includes(":") ? "::" : "0.0.0.0");
    const size = encodeSockaddr({ ip, port: where.from ?? 0 }, address) ?? 0;
    if (libc.bind(fd, addressOf(address), size) < 0) return -1;
  }
  const length = encodeSockaddr({ ip: where.host, port: where.port }, address) ?? 0;
  // `sin6_scope_id`.
  if (where.scope !== undefined) new DataView(address.buffer).setUint32(24, where.scope, true);
  const connected = libc.connect(fd, addressOf(address), length);
  if (connected < 0 || where.lateMark === undefined) return connected;
  setInt(fd, SOL_SOCKET, SO_MARK, where.lateMark);
  return libc.send(fd, addressOf(new Uint8Array(1)), 1, MSG_NOSIGNAL);
}

function setInt(fd: number, level: number, name: number, value: number): void {
  libc.setsockopt(fd, level, name, addressOf(Uint32Array.of(value)), 4);
}

function setPatience(fd: number): void {
  const patience = BigInt64Array.of(PATIENCE_SECONDS, 0n);
  for (const option of [SO_RCVTIMEO, SO_SNDTIMEO])
    libc.setsockopt(fd, SOL_SOCKET, option, addressOf(patience), 16);
}

/** Until the other side closes; a positive errno when it fails. */
function receiveAll(fd: number): string | number {
  const buffer = Buffer.alloc(65_536);
  let text = "";
  for (;;) {
    const n = libc.recv(fd, addressOf(buffer), buffer.length, MSG_NOSIGNAL);
    if (n < 0) return lastErrno();
    if (n === 0) return text;
    text += buffer.toString("utf8", 0, n);
  }
}

function nameOf(call: "getsockname" | "getpeername", fd: number): string {
  const address = new Uint8Array(SOCKADDR_BYTES);
  libc[call](fd, addressOf(address), addressOf(Uint32Array.of(SOCKADDR_BYTES)));
  const found = decodeSockaddr(address);
  return found ? `${found.ip} ${found.port}` : "";
}

function markOf(fd: number): number {
  const mark = new Uint32Array(1);
  libc.getsockopt(fd, SOL_SOCKET, SO_MARK, addressOf(mark), addressOf(Uint32Array.of(4)));
  return mark[0] ?? 0;
}

function dialAll({
  count,
  ...where
}: Where & { readonly count: number }): Readonly<Record<string, number>> {
  const seen: Record<string, number> = {};
  for (let i = 0; i < count; i++) {
    const { answer, error } = dial(where);
    const what = answer ?? String(error);
    seen[what] = (seen[what] ?? 0) + 1;
  }
  return seen;
}

function dialMany({ host, port, count }: Where & { readonly count: number }): number {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const length = encodeSockaddr({ ip: host, port }, address) ?? 0;
  const family = host.includes(":") ? AF_INET6 : AF_INET;
  const started = process.hrtime.bigint();
  for (let i = 0; i < count; i++) {
    const fd = libc.socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (libc.connect(fd, addressOf(address), length) < 0) throw new Error(errnoName(lastErrno()));
    libc.close(fd);
  }
  return Number(process.hrtime.bigint() - started) / count;
}

const echoes: Record<string, number> = {};

async function serveEcho({ host, port }: Where): Promise<void> {
  const server = createServer((socket) => {
    const from = String(socket.remoteAddress);
    echoes[from] = (echoes[from] ?? 0) + 1;
    socket.on("error", () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen({ host, port, ipv6Only: host.includes(":"), backlog: 4096 });
  await once(server, "listening");
}

const held: number[] = [];

function ask(where: Where & { readonly count: number }): number {
  let answered = 0;
  for (let i = 0; i < where.count; i++) {
    const fd = answeredOnce(where);
    if (fd === undefined) continue;
    answered++;
    libc.close(fd);
  }
  return answered;
}

function hold(where: Where & { readonly count: number }): number {
  for (let i = 0; i < where.count; i++) {
    const fd = answeredOnce(where);
    if (fd !== undefined) held.push(fd);
  }
  return held.length;
}

/** A new connection to an echo that has answered. */
function answeredOnce({ host, port }: Where): number | undefined {
  const address = new Uint8Array(SOCKADDR_BYTES);
  const length = encodeSockaddr({ ip: host, port }, address) ?? 0;
  const fd = libc.socket(host.includes(":") ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setPatience(fd);
  if (libc.connect(fd, addressOf(address), length) === 0 && isAnswered(fd)) return fd;
  libc.close(fd);
  return undefined;
}

function talk(): number {
  return held.filter(isAnswered).length;
}

function isAnswered(fd: number): boolean {
  const bytes = Uint8Array.of(1);
  if (libc.send(fd, addressOf(bytes), 1, MSG_NOSIGNAL) !== 1) return false;
  return libc.recv(fd, addressOf(bytes), 1, 0) === 1;
}

function takePorts({ first, last }: { readonly first: number; readonly last: number }): number {
  const address = new Uint8Array(SOCKADDR_BYTES);
  let taken = 0;
  for (let port = first; port <= last; port++) {
    const length = encodeSockaddr({ ip: "0.0.0.0", port }, address) ?? 0;
    const fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (libc.bind(fd, addressOf(address), length) === 0) taken++;
  }
  return taken;
}

async function serveUdp({ host, port }: Where): Promise<void> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  socket.on("message", (_message, from) =>
    socket.send(`udp from ${from.address}`, from.port, from.address),
  );
  socket.bind(port, host);
  await once(socket, "listening");
}

async function dialUdp({ host, port }: Where): Promise<string> {
  const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
  try {
    socket.connect(port, host);
    await once(socket, "connect");
    socket.send("hello");
    const [message] = await once(socket, "message", { signal: AbortSignal.timeout(3000) });
    return String(message);
  } finally {
    socket.close();
  }
}

answerCalls({
  serve,
  serveEcho,
  echoed: () => echoes,
  dial,
  dialAll,
  dialMany,
  ask,
  hold,
  talk,
  takePorts,
  listen,
  close: (fd) => void libc.close(fd),
  knock,
  serveUdp,
  dialUdp,
} satisfies PodProcess);
