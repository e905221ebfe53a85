/** Listening sockets: making them (also inside a pod's namespace) and accepting from them. */

import {
  EAGAIN,
  EINTR,
  EINVAL_RESULT,
  EMFILE,
  ENFILE,
  ENOBUFS,
  ENOMEM,
  errnoName,
} from "../kernel/errno.ts";
import {
  EPOLLET,
  EPOLLIN,
  IP_TRANSPARENT,
  IPV6_TRANSPARENT,
  IPV6_V6ONLY,
  SO_MARK,
  SO_OOBINLINE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  TCP_NODELAY,
} from "../kernel/socket-constants.ts";
import type { Channel, ChannelHandler } from "./channel.ts";
import type { Loop } from "./loop.ts";
import type { Owner } from "./owner.ts";
import { Task } from "./owner.ts";
import { PlainChannel } from "./plain-channel.ts";
import type { SocketAddress, System } from "./system.ts";
import { Timer } from "./timers.ts";

/** How a listening socket is made. */
export interface ListenerSocketOptions {
  /** `::` listens for both families; port 0 lets the kernel choose. */
  readonly at: SocketAddress;
  /** Descriptor of the network namespace to listen in; this thread's own when left out. */
  readonly netns?: number;
  /** Accept for addresses that are not local, so that getsockname() tells the original destination. */
  readonly transparent?: boolean;
  /** Share the address with other sockets (one per worker). */
  readonly reusePort?: boolean;
  /** Mark of the listener, inherited by accepted sockets. */
  readonly mark?: number;
  /** Connections waiting to be accepted. Default 4096, cut by the kernel to net.core.somaxconn. */
  readonly backlog?: number;
}

const DEFAULT_BACKLOG = 4096;

/** Makes a listening socket; the descriptor (the caller's to close or to give to listen()) or the negative errno. */
export function openListener(system: System, options: ListenerSocketOptions): number {
  const fd = system.socket(options.at.ip, options.netns ?? -1);
  if (fd < 0) return fd;
  for (const [level, name, value] of listenerSettings(options)) {
    const failed = system.setOption(fd, level, name, value);
    if (failed < 0) return closeAnd(system, fd, failed);
  }
  const bound = system.bind(fd, options.at);
  if (bound < 0) return closeAnd(system, fd, bound);
  const listening = system.listen(fd, options.backlog ?? DEFAULT_BACKLOG);
  return listening < 0 ? closeAnd(system, fd, listening) : fd;
}

/** An accepted connection. */
export interface Accepted {
  readonly channel: Channel;
  /** The address the client dialled: with a transparent listener the original destination. */
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/** Told of a listener's connections. */
export interface ListenHandler {
  /** Must set `accepted.channel.handler` (or tie it into a relay), or refuse by `channel.reset()` or close(). */
  onAccept(accepted: Accepted): void;
  /**
   * A connection could not be taken (`EMFILE`, `ENOMEM`…) and was reset, or the listener broke: `fatal` says
   * that it accepts nothing more.
   */
  onAcceptFailed(errno: string, fatal: boolean): void;
}

/** A listener of one loop. */
export interface Listener {
  readonly fd: number;
  /** Stops accepting and closes the descriptor; accepted channels go on. */
  close(): void;
}

/** Accepts from the non-blocking listening socket `fd` (owned from now on) in this loop. Throws when epoll refuses it. */
export function listen(
  loop: Loop,
  from: { readonly fd: number; readonly owner: Owner },
  handler: ListenHandler,
): Listener {
  return new Acceptor(loop, from, handler);
}

/** Connections accepted in one turn of work. */
const ACCEPTS_PER_TURN = 16;
/** How long accepting pauses when descriptors or memory are out: no spinning on what will not change at once. */
const SCARCITY_PAUSE_MS = 100;

class Acceptor extends Task implements Listener {
  readonly fd: number;
  readonly #loop: Loop;
  readonly #handler: ListenHandler;
  readonly #timer: Timer = new Timer(this);
  /** Given up for a moment when descriptors are out, so that waiting clients can be told. */
  #spare: number;
  #closed = false;

  constructor(loop: Loop, from: { fd: number; owner: Owner }, handler: ListenHandler) {
    super(from.owner);
    this.fd = from.fd;
    this.#loop = loop;
    this.#handler = handler;
    // Accepted sockets inherit both: small segments go at once, urgent bytes stay in the stream.
    loop.system.setOption(from.fd, SOL_TCP, TCP_NODELAY, 1);
    loop.system.setOption(from.fd, SOL_SOCKET, SO_OOBINLINE, 1);
    const watched = loop.watch(this, from.fd, EPOLLIN | EPOLLET);
    if (watched < 0) throw new Error(`cannot watch the listener: ${errnoName(watched)}`);
    this.#spare = loop.system.spareDescriptor();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#loop.cancel(this.#timer);
    this.#loop.release(this.fd);
    if (this.#spare >= 0) this.#loop.system.close(this.#spare);
  }

  onReady(): void {
    // One kind of event only.
  }

  onTimer(): void {
    this.#loop.schedule(this);
  }

  work(): number {
    for (let i = 0; i < ACCEPTS_PER_TURN; i++) {
      if (this.#closed || this.#timer.armed) return 1 + i;
      const fd = this.#loop.system.accept(this.fd);
      if (fd === -EAGAIN) return 1 + i;
      if (fd >= 0) this.#take(fd);
      else this.#acceptFailed(fd);
    }
    this.#loop.schedule(this);
    return ACCEPTS_PER_TURN;
  }

  abandon(): void {
    // A handler threw for one connection; the rest of the backlog still waits.
    if (!this.#closed) this.#loop.schedule(this);
  }

  #take(fd: number): void {
    const system = this.#loop.system;
    const remote = system.acceptedPeer();
    const local = system.localAddress(fd);
    if (typeof local === "number" || remote === undefined) {
      // The client has reset already: nothing to tell anybody.
      system.close(fd);
      return;
    }
    const channel = new PlainChannel(this.#loop, { fd, owner: this.owner, handler: UNHANDLED });
    try {
      this.#handler.onAccept({ channel, local, remote });
    } catch (error) {
      channel.reset();
      throw error;
    }
  }

  #acceptFailed(result: number): void {
    if (result === -EMFILE || result === -ENFILE) {
      this.#refuseOne();
      this.#pause(result);
    } else if (result === -ENOBUFS || result === -ENOMEM) this.#pause(result);
    else if (BROKEN_LISTENER.has(-result)) {
      this.close();
      this.#handler.onAcceptFailed(errnoName(result), true);
    } else if (result !== -EINTR) {
      // accept(2) hands out network errors of the connection that was waiting; the next one may be fine.
      this.#handler.onAcceptFailed(errnoName(result), false);
    }
  }

  /** With the spare descriptor one client can be taken and told at once that there is no room. */
  #refuseOne(): void {
    if (this.#spare < 0) return;
    const system = this.#loop.system;
    system.close(this.#spare);
    const fd = system.accept(this.fd);
    if (fd >= 0) {
      system.lingerZero(fd);
      system.close(fd);
    }
    this.#spare = system.spareDescriptor();
  }

  #pause(result: number): void {
    this.#loop.arm(this.#timer, SCARCITY_PAUSE_MS);
    this.#handler.onAcceptFailed(errnoName(result), false);
  }
}

/** Errors that say the listening socket itself is unusable: EBADF, EINVAL, ENOTSOCK, EOPNOTSUPP, EFAULT. */
const BROKEN_LISTENER: ReadonlySet<number> = new Set([9, -EINVAL_RESULT, 88, 95, 14]);

const UNHANDLED: ChannelHandler = {
  onOpen: () => undefined,
  onData: () => undefined,
  onEnd: () => undefined,
  onDrain: () => undefined,
  onClose: () => undefined,
};

function listenerSettings(options: ListenerSocketOptions): (readonly [number, number, number])[] {
  const settings: (readonly [number, number, number])[] = [[SOL_SOCKET, SO_REUSEADDR, 1]];
  const ipv6 = options.at.ip.includes(":");
  if (ipv6) settings.push([SOL_IPV6, IPV6_V6ONLY, 0]);
  if (options.reusePort === true) settings.push([SOL_SOCKET, SO_REUSEPORT, 1]);
  if (options.transparent === true) {
    settings.push([SOL_IP, IP_TRANSPARENT, 1]);
    if (ipv6) settings.push([SOL_IPV6, IPV6_TRANSPARENT, 1]);
  }
  if (options.mark !== undefined) settings.push([SOL_SOCKET, SO_MARK, options.mark]);
  return settings;
}

function closeAnd(system: System, fd: number, result: number): number {
  system.close(fd);
  return result;
}
