/**
 * What the engine needs from Linux: one method per system call that it makes, declared here so that the
 * engine can be run on a fake that fails on purpose. `agent/kernel/sockets.ts` is the real one.
 * Every method returns a result >= 0, or the negative errno (`agent/kernel/errno.ts` names them);
 * none throws, none blocks but epollWait.
 */

/** One end of a TCP connection: canonical text (RFC 5952; mapped addresses as plain IPv4) and port 0 to 65535. */
export interface SocketAddress {
  readonly ip: string;
  readonly port: number;
}

/** Up to eight pieces for one writev; owned and refilled by the loop, so that no write allocates. */
export class Segments {
  static readonly MAX: number = 8;
  /** How many of the entries below count. */
  count: number = 0;
  readonly bytes: Uint8Array[] = new Array(Segments.MAX).fill(new Uint8Array(0));
  readonly starts: Int32Array = new Int32Array(Segments.MAX);
  readonly lengths: Int32Array = new Int32Array(Segments.MAX);

  /** Appends bytes `[start, end)`; the caller respects MAX. */
  add(bytes: Uint8Array, start: number, end: number): void {
    const at = this.count++;
    this.bytes[at] = bytes;
    this.starts[at] = start;
    this.lengths[at] = end - start;
  }
}

/** Number of Int32 in one `struct epoll_event` (12 bytes, packed, on x86-64; 16 elsewhere: see eventStride). */
export interface EpollEvents {
  /** The kernel's array as 32-bit words. */
  readonly words: Int32Array;
  /** Words from one event to the next: word 0 the flags, then `dataAt` and `dataAt + 1` our two words. */
  readonly stride: number;
  readonly dataAt: number;
  /** How many events fit. */
  readonly capacity: number;
}

/** What an application told its socket about silent peers, in tcp(7)'s terms; 0 = it did not say. */
export interface ToldPatience {
  /** SO_KEEPALIVE. */
  readonly keepAlive: boolean;
  readonly idleS: number;
  readonly intervalS: number;
  readonly probes: number;
  readonly userTimeoutMs: number;
}

/**
 * What the kernel knows of a connection's way to its peer (`struct tcp_info`): all but the two times are totals since the
 * connection began. Mutable, so that a look at it needs no memory.
 */
export class TcpFigures {
  /** Microseconds from a segment to its acknowledgement, smoothed; the peer's delay before it acknowledges is in it. 0: none was measured. */
  roundTripUs: number = 0;
  /** The least of them in the last five minutes, or since the connection began: the way alone. */
  leastRoundTripUs: number = 0;
  /** Segments with data that were sent, each time that one was. */
  sentSegments: number = 0;
  /** Segments that were sent again, those of the handshake included. */
  retransmittedSegments: number = 0;
  /** Segments of which the peer said that it had them already (DSACK): sent again without need. */
  duplicateSegments: number = 0;
  /** Bytes that the peer has acknowledged. The kernel counts the SYN of who connects, and the FIN, as one each. */
  ackedBytes: number = 0;
}

/** The system calls of one thread. */
export interface System {
  /** recv(2) of a socket: what read(2) does, without its detour through the file layer. */
  read(fd: number, into: Uint8Array, start: number, length: number): number;
  /** send(2) of a socket. */
  write(fd: number, from: Uint8Array, start: number, length: number): number;
  writev(fd: number, segments: Segments): number;
  /** Accepts one connection, non-blocking and close-on-exec. */
  accept(fd: number): number;
  /** Who the connection accepted last came from: accept(2) says it by the way. Undefined when the family is unknown. */
  acceptedPeer(): SocketAddress | undefined;
  /**
   * A TCP socket, non-blocking and close-on-exec, of the family that `ip` needs. With `netns` >= 0 it belongs
   * to the network namespace of that descriptor (two setns(2), 1 µs); being unable to come back aborts the process.
   */
  socket(ip: string, netns: number): number;
  connect(fd: number, to: SocketAddress): number;
  bind(fd: number, to: SocketAddress): number;
  listen(fd: number, backlog: number): number;
  /** SHUT_WR. */
  shutdown(fd: number): number;
  close(fd: number): number;
  /** The local address, or the negative errno. */
  localAddress(fd: number): SocketAddress | number;
  setOption(fd: number, level: number, name: number, value: number): number;
  /** Makes it one of the agent's own sockets: its connects are not caught, and get that mark. */
  claim(fd: number, mark: number): number;
  getOption(fd: number, level: number, name: number): number;
  /** SO_LINGER with time 0: the next close() sends RST. */
  lingerZero(fd: number): number;
  /** Bytes received and not read yet (SIOCINQ). */
  unreadBytes(fd: number): number;
  /** Bytes that the peer has not acknowledged yet (SIOCOUTQ). */
  unsentBytes(fd: number): number;
  /** Looks at a connection's figures: TCP_INFO, 0.2 µs more than any other getsockopt(2). */
  tcpFigures(fd: number, into: TcpFigures): number;
  /**
   * What the socket at the other end of a connection was told, one of this machine in the network namespace of that
   * cookie; undefined: nothing that is known.
   */
  peerPatience(fd: number, netns: bigint): ToldPatience | undefined;
  epollCreate(): number;
  /** Registers `fd`; its events carry `fd` and `generation`. */
  epollAdd(epollFd: number, fd: number, flags: number, generation: number): number;
  /** Memory for `capacity` events that epollWait fills. */
  epollEvents(capacity: number): EpollEvents;
  /** Waits; -1 waits for ever, 0 not at all. Returns the number of events. */
  epollWait(epollFd: number, events: EpollEvents, timeoutMs: number): number;
  eventfd(): number;
  /** Adds 1 to an eventfd. */
  eventfdWrite(fd: number): number;
  /** Takes everything out of an eventfd. */
  eventfdRead(fd: number): number;
  /** A descriptor on /dev/null, kept to be given up when descriptors run out. */
  spareDescriptor(): number;
}
