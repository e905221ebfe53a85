/** The C library inside a pod, call by call (test/netns/peers/libc-driver.ts): sockets as an application in C has them. */

import { errnoName } from "../../agent/kernel/errno.ts";
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES } from "../../agent/kernel/sockaddr.ts";
import {
  AF_INET,
  AF_INET6,
  SO_ERROR,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../../agent/kernel/socket-constants.ts";
import type { LibcArgument, LibcCall, LibcResult } from "../netns/peers/libc-protocol.ts";
import { LineCalls } from "./line-calls.ts";

const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const MSG_NOSIGNAL = 0x4000;
/** Blocking calls give up with EAGAIN after this long: a hanging test says so by itself. */
const PATIENCE_SECONDS = 10n;
const F_SETPIPE_SZ = 1031;
const PIPE_BYTES = 1 << 20;
const MAX_READ_BYTES = 65_536;

/** poll(2). */
export const POLLIN = 0x1;
/** poll(2): urgent bytes. */
export const POLLPRI = 0x2;
/** poll(2). */
export const POLLOUT = 0x4;

/** What read or recv gave: the text, or how the stream ended. */
export type Received = { readonly text: string } | { readonly ended: string };

/** A driver in one pod. Descriptors are numbers of its process. */
export class LibcPeer implements AsyncDisposable {
  readonly #calls: LineCalls<LibcCall, LibcResult>;

  /** `command` starts the driver in the pod. */
  constructor(command: readonly [string, ...string[]]) {
    this.#calls = new LineCalls<LibcCall, LibcResult>(command, { result: -1, errno: 0, rooms: [] });
  }

  /** Any call; -1 and errno are results. */
  raw(name: string, ...args: readonly LibcArgument[]): Promise<LibcResult> {
    return this.#calls.ask({ name, args });
  }

  /** The same, but a failed call throws its errno's name. */
  async call(name: string, ...args: readonly LibcArgument[]): Promise<number> {
    const { result, errno } = await this.raw(name, ...args);
    if (result < 0) throw new Error(`${name}: ${errnoName(errno)}`);
    return result;
  }

  /** A stream socket of the address's family, blocking, with a time-out on every call. `flags` are added to its type. */
  async socket(ip: string, flags = 0): Promise<number> {
    const family = ip.includes(":") ? AF_INET6 : AF_INET;
    const fd = await this.call("socket", family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    const patience = { bytes: base64(BigInt64Array.of(PATIENCE_SECONDS, 0n)) };
    for (const name of [SO_RCVTIMEO, SO_SNDTIMEO])
      await this.call("setsockopt", fd, SOL_SOCKET, name, patience, 16);
    return fd;
  }

  /** Sets options that are one or more ints. */
  async option(fd: number, level: number, name: number, ...ints: readonly number[]): Promise<void> {
    const bytes = base64(Int32Array.from(ints));
    await this.call("setsockopt", fd, level, name, { bytes }, ints.length * 4);
  }

  /** sendto(2) on a socket that is not connected: MSG_FASTOPEN connects it. The number of bytes taken. */
  async sendTo(
    fd: number,
    text: string,
    flags: number,
    to: readonly [string, number],
  ): Promise<number> {
    const bytes = Buffer.from(text, "latin1");
    const where = sockaddr(...to);
    return this.call("sendto", fd, { bytes: base64(bytes) }, bytes.length, flags, ...where);
  }

  /** openat(2) for absolute paths; throws the errno. */
  open(path: string, flags: number): Promise<number> {
    return this.call("openat", 0, { bytes: base64(Buffer.from(`${path}\0`)) }, flags, 0o600);
  }

  /** Sends a file's next `bytes` by sendfile(2). */
  async sendFile(socket: number, file: number, bytes: number): Promise<void> {
    for (let left = bytes; left > 0; ) {
      const sent = await this.call("sendfile", socket, file, 0, left);
      if (sent === 0) throw new Error(`sendfile: the file ended ${left} bytes early`);
      left -= sent;
    }
  }

  /** Moves everything a socket receives into a file by splice(2) through a pipe; the number of bytes. */
  async spliceToFile(socket: number, file: number): Promise<number> {
    const { rooms } = await this.raw("pipe2", { room: 8 }, 0);
    const ends = Buffer.from(rooms[0] ?? "", "base64");
    const [from, into] = [ends.readInt32LE(0), ends.readInt32LE(4)];
    await this.call("fcntl", into, F_SETPIPE_SZ, PIPE_BYTES);
    let total = 0;
    for (;;) {
      const got = await this.call("splice", socket, 0, into, 0, PIPE_BYTES, 0);
      if (got === 0) break;
      for (let left = got; left > 0; ) left -= await this.call("splice", from, 0, file, 0, left, 0);
      total += got;
    }
    await this.close(from);
    await this.close(into);
    return total;
  }

  /** connect(2): the errno's name, or "" when connected. */
  async connect(fd: number, ip: string, port: number): Promise<string> {
    const { result, errno } = await this.raw("connect", fd, ...sockaddr(ip, port));
    return result < 0 ? errnoName(errno) : "";
  }

  /** A connected socket; throws the errno. */
  async dial(ip: string, port: number): Promise<number> {
    const fd = await this.socket(ip);
    const problem = await this.connect(fd, ip, port);
    if (problem !== "") throw new Error(`connect to ${ip} ${port}: ${problem}`);
    return fd;
  }

  /** bind(2); throws the errno. */
  async bind(fd: number, ip: string, port: number): Promise<void> {
    await this.call("bind", fd, ...sockaddr(ip, port));
  }

  /** A listening socket; `::` takes both families. `reuse` names the option that lets the port be shared. */
  async listen(port: number, ip = "::", reuse: number = SO_REUSEADDR): Promise<number> {
    const fd = await this.socket(ip);
    await this.option(fd, SOL_SOCKET, reuse, 1);
    await this.bind(fd, ip, port);
    await this.call("listen", fd, 128);
    return fd;
  }

  /** The next connection of a listener. */
  accept(listener: number): Promise<number> {
    return this.call("accept4", listener, 0, 0, SOCK_CLOEXEC);
  }

  /** Sends text; the number of bytes taken. `flags` of send(2). */
  send(fd: number, text: string, flags = 0): Promise<number> {
    const bytes = Buffer.from(text, "latin1");
    return this.call("send", fd, { bytes: base64(bytes) }, bytes.length, flags | MSG_NOSIGNAL);
  }

  /** One recv(2): what came, or `fin`, or the errno's name. */
  async receive(fd: number, flags = 0, bytes: number = MAX_READ_BYTES): Promise<Received> {
    const { result, errno, rooms } = await this.raw("recv", fd, { room: bytes }, bytes, flags);
    if (result < 0) return { ended: errnoName(errno) };
    if (result === 0) return { ended: "fin" };
    return { text: Buffer.from(rooms[0] ?? "", "base64").toString("latin1", 0, result) };
  }

  /** getsockname(2) or getpeername(2) as `address port`. */
  async name(call: "getsockname" | "getpeername", fd: number): Promise<string> {
    const length = { bytes: base64(Uint32Array.of(SOCKADDR_BYTES)) };
    const { result, errno, rooms } = await this.raw(call, fd, { room: SOCKADDR_BYTES }, length);
    if (result < 0) return errnoName(errno);
    const found = decodeSockaddr(Buffer.from(rooms[0] ?? "", "base64"));
    return found === undefined ? "" : `${found.ip} ${found.port}`;
  }

  /** Waits for events of one descriptor, at most `timeoutMs`; those that came. */
  async poll(fd: number, events: number, timeoutMs: number): Promise<number> {
    const wanted = { bytes: base64(Int32Array.of(fd, events)) };
    const seconds = BigInt(Math.floor(timeoutMs / 1000));
    const timeout = BigInt64Array.of(seconds, BigInt(timeoutMs % 1000) * 1_000_000n);
    const { rooms } = await this.raw("ppoll", wanted, 1, { bytes: base64(timeout) }, 0, 0);
    return Buffer.from(rooms[0] ?? "", "base64").readUInt16LE(6);
  }

  /** The pending error of a socket by name, or "". */
  async pendingError(fd: number): Promise<string> {
    const length = { bytes: base64(Uint32Array.of(4)) };
    const { rooms } = await this.raw("getsockopt", fd, SOL_SOCKET, SO_ERROR, { room: 4 }, length);
    const errno = Buffer.from(rooms[0] ?? "", "base64").readInt32LE(0);
    return errno === 0 ? "" : errnoName(errno);
  }

  /** close(2). */
  async close(fd: number): Promise<void> {
    await this.call("close", fd);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#calls[Symbol.asyncDispose]();
  }
}

function sockaddr(ip: string, port: number): readonly [LibcArgument, number] {
  const bytes = new Uint8Array(SOCKADDR_BYTES);
  const length = encodeSockaddr({ ip, port }, bytes);
  if (length === undefined) throw new Error(`not an address: ${ip}`);
  return [{ bytes: base64(bytes) }, length];
}

function base64(view: ArrayBufferView): string {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength).toString("base64");
}
