/** A System that fails on purpose: the n-th call of one kind gets an errno or is cut short. */

import type {
  EpollEvents,
  Segments,
  SocketAddress,
  System,
  TcpFigures,
  ToldPatience,
} from "../../agent/engine/system.ts";
import { EAGAIN } from "../../agent/kernel/errno.ts";
import { addressOf, libc } from "../../agent/kernel/ffi.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";

/** Which call fails, and how. */
export interface Fault {
  readonly call: keyof System;
  /** The first call of that kind after arm() is 0. */
  readonly index: number;
  /** A negative errno, or "short": the call does one byte only (read, write, writev). */
  readonly outcome: number | "short";
}

const EPOLL_CTL_MOD = 3;

/** The real system with one fault. Counts calls, also when no fault is armed. */
export class FaultySystem implements System {
  readonly #real: System = new Sockets();
  readonly #counts: Map<keyof System, number> = new Map();
  readonly #watched: Map<number, { epollFd: number; flags: number; generation: number }> =
    new Map();
  #fault: Fault | undefined;
  /** Whether the armed fault has struck. */
  struck: boolean = false;

  /** Counts from zero; with a fault, the call it names will fail. */
  arm(fault: Fault | undefined): void {
    this.#fault = fault;
    this.#counts.clear();
    this.struck = false;
  }

  /** Calls of that kind since arm(). */
  count(call: keyof System): number {
    return this.#counts.get(call) ?? 0;
  }

  read(fd: number, into: Uint8Array, start: number, length: number): number {
    const fault = this.#strikes("read");
    if (fault === "short") return this.#rearmed(fd, this.#real.read(fd, into, start, 1));
    if (fault !== undefined) return this.#blocked(fd, fault);
    return this.#real.read(fd, into, start, length);
  }

  write(fd: number, from: Uint8Array, start: number, length: number): number {
    const fault = this.#strikes("write");
    if (fault === "short") return this.#rearmed(fd, this.#real.write(fd, from, start, 1));
    if (fault !== undefined) return this.#blocked(fd, fault);
    return this.#real.write(fd, from, start, length);
  }

  writev(fd: number, segments: Segments): number {
    const fault = this.#strikes("writev");
    const first = segments.bytes[0];
    if (fault === "short" && first !== undefined)
      return this.#rearmed(fd, this.#real.write(fd, first, segments.starts[0] ?? 0, 1));
    if (typeof fault === "number") return this.#blocked(fd, fault);
    return this.#real.writev(fd, segments);
  }

  accept(fd: number): number {
    const fault = this.#strikes("accept");
    return typeof fault === "number" ? this.#blocked(fd, fault) : this.#real.accept(fd);
  }

  socket(ip: string, netns: number): number {
    return this.#plain("socket", () => this.#real.socket(ip, netns));
  }

  connect(fd: number, to: SocketAddress): number {
    return this.#plain("connect", () => this.#real.connect(fd, to));
  }

  bind(fd: number, to: SocketAddress): number {
    return this.#plain("bind", () => this.#real.bind(fd, to));
  }

  listen(fd: number, backlog: number): number {
    return this.#plain("listen", () => this.#real.listen(fd, backlog));
  }

  shutdown(fd: number): number {
    return this.#plain("shutdown", () => this.#real.shutdown(fd));
  }

  close(fd: number): number {
    this.#watched.delete(fd);
    // A failing close(2) has closed all the same.
    const result = this.#real.close(fd);
    const fault = this.#strikes("close");
    return typeof fault === "number" ? fault : result;
  }

  localAddress(fd: number): SocketAddress | number {
    const fault = this.#strikes("localAddress");
    return typeof fault === "number" ? fault : this.#real.localAddress(fd);
  }

  acceptedPeer(): SocketAddress | undefined {
    return this.#real.acceptedPeer();
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    return this.#plain("setOption", () => this.#real.setOption(fd, level, name, value));
  }

  claim(fd: number, mark: number): number {
    return this.#plain("claim", () => this.#real.claim(fd, mark));
  }

  getOption(fd: number, level: number, name: number): number {
    return this.#plain("getOption", () => this.#real.getOption(fd, level, name));
  }

  lingerZero(fd: number): number {
    return this.#plain("lingerZero", () => this.#real.lingerZero(fd));
  }

  unreadBytes(fd: number): number {
    return this.#plain("unreadBytes", () => this.#real.unreadBytes(fd));
  }

  unsentBytes(fd: number): number {
    return this.#plain("unsentBytes", () => this.#real.unsentBytes(fd));
  }

  tcpFigures(fd: number, into: TcpFigures): number {
    return this.#plain("tcpFigures", () => this.#real.tcpFigures(fd, into));
  }

  peerPatience(fd: number, netns: bigint): ToldPatience | undefined {
    return this.#real.peerPatience(fd, netns);
  }

  epollCreate(): number {
    return this.#plain("epollCreate", () => this.#real.epollCreate());
  }

  epollAdd(epollFd: number, fd: number, flags: number, generation: number): number {
    const fault = this.#strikes("epollAdd");
    if (typeof fault === "number") return fault;
    this.#watched.set(fd, { epollFd, flags, generation });
    return this.#real.epollAdd(epollFd, fd, flags, generation);
  }

  epollEvents(capacity: number): EpollEvents {
    return this.#real.epollEvents(capacity);
  }

  epollWait(epollFd: number, events: EpollEvents, timeoutMs: number): number {
    return this.#plain("epollWait", () => this.#real.epollWait(epollFd, events, timeoutMs));
  }

  eventfd(): number {
    return this.#plain("eventfd", () => this.#real.eventfd());
  }

  eventfdWrite(fd: number): number {
    return this.#plain("eventfdWrite", () => this.#real.eventfdWrite(fd));
  }

  eventfdRead(fd: number): number {
    return this.#plain("eventfdRead", () => this.#real.eventfdRead(fd));
  }

  spareDescriptor(): number {
    return this.#plain("spareDescriptor", () => this.#real.spareDescriptor());
  }

  #plain(call: keyof System, real: () => number): number {
    const fault = this.#strikes(call);
    return typeof fault === "number" ? fault : real();
  }

  #strikes(call: keyof System): number | "short" | undefined {
    const index = this.count(call);
    this.#counts.set(call, index + 1);
    const fault = this.#fault;
    if (fault?.call !== call || fault.index !== index) return undefined;
    this.struck = true;
    return fault.outcome;
  }

  /** EAGAIN promises an event later. Since the socket was ready, the kernel must be made to keep that promise. */
  #blocked(fd: number, fault: number | "short"): number {
    return typeof fault === "number" ? this.#rearmed(fd, fault, fault === -EAGAIN) : 0;
  }

  #rearmed(fd: number, result: number, rearm: boolean = true): number {
    const watched = this.#watched.get(fd);
    if (!rearm || watched === undefined) return result;
    const packed = process.arch === "x64";
    const event = new Int32Array(packed ? 3 : 4);
    event[0] = watched.flags;
    event.set([fd, watched.generation], packed ? 1 : 2);
    libc.epoll_ctl(watched.epollFd, EPOLL_CTL_MOD, fd, addressOf(event));
    return result;
  }
}
