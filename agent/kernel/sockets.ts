/**
 * The engine's system calls on the real kernel (structurally `System` of agent/engine/system.ts, which this
 * folder may not import). One set per thread: it owns the memory that the kernel reads addresses, options
 * and vectors from. Results are >= 0 or the negative errno.
 */

import { closeSync, openSync } from "node:fs";
import { AgentSockets } from "./agent-sockets.ts";
import { EINVAL_RESULT } from "./errno.ts";
import { addressOf, lastErrno, libc } from "./ffi.ts";
import { PatienceMap, type ToldPatience } from "./patience-map.ts";
import type { IpPort } from "./sockaddr.ts";
import { decodeSockaddr, encodeSockaddr, SOCKADDR_BYTES } from "./sockaddr.ts";
import {
  AF_INET,
  AF_INET6,
  SO_LINGER,
  SO_MARK,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  SOL_TCP,
  TCP_INFO,
} from "./socket-constants.ts";

const CLONE_NEWNET = 0x40000000;
const SHUT_WR = 1;
const SIOCINQ = 0x541b;
const SIOCOUTQ = 0x5411;
const EPOLL_CTL_ADD = 1;
const EPOLL_CLOEXEC = 0x80000;
const EFD_FLAGS = 0x80800;
const EVENTFD_BYTES = 8;
const MSG_NOSIGNAL = 0x4000;
const NEW_STREAM: number = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
const MAX_IOVECS = 8;

/** `struct epoll_event` is packed on x86-64 only. */
const EVENT_WORDS: number = process.arch === "x64" ? 3 : 4;
const EVENT_DATA_AT: number = process.arch === "x64" ? 1 : 2;

/** Where struct tcp_info has what is read of it, in 32-bit words; it only ever grew at its end. */
const TCP_INFO_AT = {
  roundTrip: 17,
  totalRetransmitted: 25,
  acked: 30,
  leastRoundTrip: 37,
  dataSegmentsOut: 39,
  duplicates: 54,
} as const;
/** Up to the last of them: the kernel copies no more. */
const TCP_INFO_WORDS: number = TCP_INFO_AT.duplicates + 1;
const WORD = 0x100000000;
/** `tcpi_min_rtt` of a connection on which nothing was measured yet. */
const UNMEASURED = 0xffffffff;

/** What a look at a connection fills, structurally the engine's TcpFigures. */
export interface FiguresMemory {
  roundTripUs: number;
  leastRoundTripUs: number;
  sentSegments: number;
  retransmittedSegments: number;
  duplicateSegments: number;
  ackedBytes: number;
}

/** What writev needs of the engine's Segments. */
export interface IoPieces {
  readonly count: number;
  readonly bytes: readonly Uint8Array[];
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
}

/** Memory for the kernel's answers to epoll_wait. */
export interface EventMemory {
  readonly words: Int32Array;
  readonly stride: number;
  readonly dataAt: number;
  readonly capacity: number;
}

/** Descriptors of maps that threads ask by themselves. They stay their owner's; -1 = there is none. */
export interface MapFds {
  /** The map `patience`; without it nothing is known of other ends. */
  readonly patience: number;
  /** The map `agent_sockets`; without it no program looks at the agent's connects, and a mark is all they need. */
  readonly agentSockets: number;
  /** The map `heartbeat`; without it no program asks whether connections are carried. */
  readonly heartbeat: number;
}

/** Of a thread without the kernel's programs. */
export const NO_MAPS: MapFds = { patience: -1, agentSockets: -1, heartbeat: -1 };

/** The system calls of the thread that makes it. */
export class Sockets {
  readonly #sockaddr: Uint8Array = new Uint8Array(SOCKADDR_BYTES);
  readonly #sockaddrAt: number = addressOf(this.#sockaddr);
  /** Who was accepted last. */
  readonly #peer: Uint8Array = new Uint8Array(SOCKADDR_BYTES);
  readonly #peerAt: number = addressOf(this.#peer);
  /** [option or length, second word of struct linger, ioctl answer]. */
  readonly #ints: Int32Array = new Int32Array(4);
  readonly #intsAt: number = addressOf(this.#ints);
  readonly #info: Uint32Array = new Uint32Array(TCP_INFO_WORDS);
  readonly #infoAt: number = addressOf(this.#info);
  readonly #epollEvent: Int32Array = new Int32Array(EVENT_WORDS);
  readonly #epollEventAt: number = addressOf(this.#epollEvent);
  readonly #iovecs: Uint32Array = new Uint32Array(MAX_IOVECS * 4);
  readonly #iovecsAt: number = addressOf(this.#iovecs);
  readonly #patience: PatienceMap | undefined;
  readonly #own: AgentSockets | undefined;
  #homeNetns = -1;

  constructor({ patience, agentSockets }: MapFds = NO_MAPS) {
    this.#patience = patience < 0 ? undefined : new PatienceMap(patience);
    this.#own = agentSockets < 0 ? undefined : new AgentSockets(agentSockets);
  }

  read(fd: number, into: Uint8Array, start: number, length: number): number {
    const n = libc.recv(fd, addressOf(into) + start, length, 0);
    return n < 0 ? -lastErrno() : n;
  }

  write(fd: number, from: Uint8Array, start: number, length: number): number {
    const n = libc.send(fd, addressOf(from) + start, length, MSG_NOSIGNAL);
    return n < 0 ? -lastErrno() : n;
  }

  writev(fd: number, pieces: IoPieces): number {
    const iovecs = this.#iovecs;
    for (let i = 0; i < pieces.count; i++) {
      const at = addressOf(pieces.bytes[i] as Uint8Array) + (pieces.starts[i] as number);
      iovecs[i * 4] = at >>> 0;
      iovecs[i * 4 + 1] = at / 0x100000000;
      iovecs[i * 4 + 2] = pieces.lengths[i] as number;
    }
    const n = libc.writev(fd, this.#iovecsAt, pieces.count);
    return n < 0 ? -lastErrno() : n;
  }

  accept(fd: number): number {
    this.#ints[0] = SOCKADDR_BYTES;
    const flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
    return result(libc.accept4(fd, this.#peerAt, this.#intsAt, flags));
  }

  acceptedPeer(): IpPort | undefined {
    return decodeSockaddr(this.#peer);
  }

  socket(ip: string, netns: number): number {
    const family = ip.includes(":") ? AF_INET6 : AF_INET;
    if (netns < 0) return result(libc.socket(family, NEW_STREAM, 0));
    const home = this.#home();
    if (home < 0) return home;
    if (libc.setns(netns, CLONE_NEWNET) < 0) return -lastErrno();
    const fd = result(libc.socket(family, NEW_STREAM, 0));
    // In the wrong namespace every later connection would go to the wrong network: better none at all.
    if (libc.setns(home, CLONE_NEWNET) < 0) libc.abort();
    return fd;
  }

  connect(fd: number, to: IpPort): number {
    const length = encodeSockaddr(to, this.#sockaddr);
    if (length === undefined) return EINVAL_RESULT;
    return result(libc.connect(fd, this.#sockaddrAt, length));
  }

  bind(fd: number, to: IpPort): number {
    const length = encodeSockaddr(to, this.#sockaddr);
    if (length === undefined) return EINVAL_RESULT;
    return result(libc.bind(fd, this.#sockaddrAt, length));
  }

  listen(fd: number, backlog: number): number {
    return result(libc.listen(fd, backlog));
  }

  shutdown(fd: number): number {
    return result(libc.shutdown(fd, SHUT_WR));
  }

  close(fd: number): number {
    return result(libc.close(fd));
  }

  localAddress(fd: number): IpPort | number {
    this.#ints[0] = SOCKADDR_BYTES;
    if (libc.getsockname(fd, this.#sockaddrAt, this.#intsAt) < 0) return -lastErrno();
    return decodeSockaddr(this.#sockaddr) ?? EINVAL_RESULT;
  }

  setOption(fd: number, level: number, name: number, value: number): number {
    this.#ints[0] = value;
    return result(libc.setsockopt(fd, level, name, this.#intsAt, 4));
  }

  claim(fd: number, mark: number): number {
    return this.#own?.claim(fd, mark) ?? this.setOption(fd, SOL_SOCKET, SO_MARK, mark);
  }

  getOption(fd: number, level: number, name: number): number {
    this.#ints[0] = 0;
    this.#ints[1] = 4;
    const failed = libc.getsockopt(fd, level, name, this.#intsAt, this.#intsAt + 4) < 0;
    return failed ? -lastErrno() : (this.#ints[0] as number);
  }

  lingerZero(fd: number): number {
    this.#ints[0] = 1;
    this.#ints[1] = 0;
    return result(libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, this.#intsAt, 8));
  }

  unreadBytes(fd: number): number {
    const failed = libc.ioctl(fd, SIOCINQ, this.#intsAt) < 0;
    return failed ? -lastErrno() : (this.#ints[0] as number);
  }

  unsentBytes(fd: number): number {
    const failed = libc.ioctl(fd, SIOCOUTQ, this.#intsAt) < 0;
    return failed ? -lastErrno() : (this.#ints[0] as number);
  }

  tcpFigures(fd: number, into: FiguresMemory): number {
    const info = this.#info;
    this.#ints[0] = info.byteLength;
    const failed = libc.getsockopt(fd, SOL_TCP, TCP_INFO, this.#infoAt, this.#intsAt) < 0;
    if (failed) return -lastErrno();
    const least = info[TCP_INFO_AT.leastRoundTrip] as number;
    into.roundTripUs = info[TCP_INFO_AT.roundTrip] as number;
    into.leastRoundTripUs = least === UNMEASURED ? into.roundTripUs : least;
    into.sentSegments = info[TCP_INFO_AT.dataSegmentsOut] as number;
    into.retransmittedSegments = info[TCP_INFO_AT.totalRetransmitted] as number;
    into.duplicateSegments = info[TCP_INFO_AT.duplicates] as number;
    const high = info[TCP_INFO_AT.acked + 1] as number;
    into.ackedBytes = (info[TCP_INFO_AT.acked] as number) + high * WORD;
    return 0;
  }

  peerPatience(fd: number, netns: bigint): ToldPatience | undefined {
    return this.#patience?.find(fd, netns);
  }

  epollCreate(): number {
    return result(libc.epoll_create1(EPOLL_CLOEXEC));
  }

  epollAdd(epollFd: number, fd: number, flags: number, generation: number): number {
    this.#epollEvent[0] = flags;
    this.#epollEvent[EVENT_DATA_AT] = fd;
    this.#epollEvent[EVENT_DATA_AT + 1] = generation;
    return result(libc.epoll_ctl(epollFd, EPOLL_CTL_ADD, fd, this.#epollEventAt));
  }

  epollEvents(capacity: number): EventMemory {
    const words = new Int32Array(EVENT_WORDS * capacity);
    return { words, stride: EVENT_WORDS, dataAt: EVENT_DATA_AT, capacity };
  }

  epollWait(epollFd: number, events: EventMemory, timeoutMs: number): number {
    const at = addressOf(events.words);
    const n = libc.epoll_wait(epollFd, at, events.capacity, timeoutMs);
    return n < 0 ? -lastErrno() : n;
  }

  eventfd(): number {
    return result(libc.eventfd(0, EFD_FLAGS));
  }

  eventfdWrite(fd: number): number {
    this.#ints[0] = 1;
    this.#ints[1] = 0;
    return result(libc.write(fd, this.#intsAt, EVENTFD_BYTES));
  }

  eventfdRead(fd: number): number {
    return result(libc.read(fd, this.#intsAt, EVENTFD_BYTES));
  }

  spareDescriptor(): number {
    try {
      return openSync("/dev/null", "r");
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? EINVAL_RESULT;
    }
  }

  /** Closes the descriptor of the thread's own namespace, when one was opened. */
  dispose(): void {
    if (this.#homeNetns >= 0) closeSync(this.#homeNetns);
    this.#homeNetns = -1;
  }

  #home(): number {
    if (this.#homeNetns >= 0) return this.#homeNetns;
    try {
      this.#homeNetns = openSync("/proc/thread-self/ns/net", "r");
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? EINVAL_RESULT;
    }
    return this.#homeNetns;
  }
}

function result(value: number): number {
  return value < 0 ? -lastErrno() : value;
}
