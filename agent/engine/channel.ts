/**
 * The engine moves bytes: ordered, back-pressured channels driven by one blocking epoll loop per worker,
 * timers, listeners, connects, relays. It may import `agent/kernel` only for numbers (errno names, option
 * numbers); every system call goes through the `System` interface it declares in `system.ts`. It must never
 * know pods, services or HTTP, never use promises, Node streams or Node timers (the worker never returns to
 * libuv), and never allocate per event on the hot path. `plain-channel.ts` is one implementation of Channel;
 * TLS will be another (a channel over a channel).
 *
 *     const loop = new Loop({ system: new Sockets() });           // agent/kernel/sockets.ts is the real System
 *     loop.onWake = drainMessages;                                // after wake(): see Loop.wakeFd, wakeLoop()
 *     const owner = loop.owner(podNumber);                        // fairness, limits and counts per pod
 *     const fd = openListener(system, { at: { ip: "::", port: 0 }, netns, transparent: true, … });
 *     const listener = listen(loop, { fd, owner }, { onAccept, onAcceptFailed });  // onAccept sets channel.handler
 *     const channel = connect(loop, { to: { ip, port }, owner, netns, mark, timeoutMs: 5000 }, handler);
 *     const timer = new Timer(handlerOfTimer); loop.arm(timer, 250); loop.cancel(timer);
 *     relay(loop, { left, right, idleTimeoutMs: 3_600_000 }, { onRelayEnd });   // after both handlers are done peeking
 *     loop.run();                                                 // returns after stop(); then loop.dispose()
 *
 * No callback ever runs inside a call that you make into the engine: what close(), write() or connect()
 * cause is told later, from the loop. A handler that throws has its channel reset and the error given to
 * `onBug` of the loop.
 */

import type { Leg } from "./leg.ts";
import type { ToldPatience } from "./system.ts";
import type { Vigil } from "./vigil.ts";

/** How a channel ended. */
export type CloseCause =
  /** Both directions ended in order, or close() or reset() was called here. */
  | { readonly kind: "closed" }
  /** The peer sent RST. */
  | { readonly kind: "reset" }
  /** What is held for the channel went over the owner's or the worker's limit; the peer got RST. */
  | { readonly kind: "memory-limit" }
  /** A system call or a time-out ended it; `errno` is the symbolic name, for example `ECONNREFUSED`. */
  | { readonly kind: "failed"; readonly errno: string };

/** Receives a channel's events. One handler may serve many channels; it may be swapped between events. */
export interface ChannelHandler {
  /** An outbound channel is connected. Not called for accepted channels. */
  onOpen(channel: Channel): void;
  /**
   * Bytes `[start, end)` of `buffer` arrived. The buffer is the loop's shared read buffer: it is only
   * valid during this call; keep a copy of what must outlive it. Writing from it (write(), write2()) is
   * the cheap way to pass bytes on.
   */
  onData(channel: Channel, buffer: Uint8Array, start: number, end: number): void;
  /** The peer half-closed (FIN): no more onData. Writing may go on. */
  onEnd(channel: Channel): void;
  /** The queue of unsent bytes is empty again after write() had returned false. */
  onDrain(channel: Channel): void;
  /** The last event of every channel, exactly once, whoever ended it. The descriptor is already closed or queued to be. */
  onClose(channel: Channel, cause: CloseCause): void;
}

/** One connection's byte stream in both directions. */
export interface Channel {
  handler: ChannelHandler;
  /** Bytes taken by write() that the kernel has not taken yet. */
  readonly queuedBytes: number;
  /** Whether onOpen has happened (always true for accepted channels). */
  readonly open: boolean;
  /** Whether onClose has been called or is about to be: nothing more can be written or read. */
  readonly closed: boolean;
  /** Whether the peer has sent something (bytes, FIN, RST) that the handler has not been told yet. */
  readonly unread: boolean;
  /** Watches over the peer's silence; undefined once closed. Made when it is first asked for: short connections need none. */
  readonly vigil: Vigil | undefined;
  /** What the kernel knows of the way to the peer; told to its meter, once there is one, and at the end. */
  readonly leg: Leg;
  /** Bytes given to onData so far. */
  readonly bytesIn: number;
  /** Bytes that the kernel has taken so far. */
  readonly bytesOut: number;
  /**
   * Sends bytes `[start, end)`. What the kernel does not take now is copied and queued.
   * Returns true when nothing is queued; false asks the caller to wait for onDrain (nothing is lost if it does not).
   * Before onOpen, bytes are queued. After close, reset or shutdown, ignored (and true).
   */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  /**
   * write() at the end of this turn of the loop at the latest; every other call on the channel comes after it.
   * For short messages: those written back to back to one peer wake it once, not each for itself. The bytes
   * must stay as they are until the turn is over (see Loop.onTurnEnd).
   */
  writeSoon(bytes: Uint8Array, start: number, end: number): void;
  /** write() of two pieces in one system call (writev): a head and the first bytes of a body. */
  write2(
    head: Uint8Array,
    headStart: number,
    headEnd: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
  ): boolean;
  /** What the socket at the other end was told about silence, one of this machine; see System. */
  peerPatience(netns: bigint): ToldPatience | undefined;
  /**
   * Counts bytes that are held elsewhere for this channel's sake, as its queue is counted. Beyond the owner's or the
   * worker's limit nothing is counted, the channel ends with cause `memory-limit`, and the answer is false.
   */
  hold(bytes: number): boolean;
  /** They are held no more; also after the channel's end. */
  release(bytes: number): void;
  /** Stops reading: the kernel's window closes and the peer feels it. A FIN is told after resume() too. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Half-closes (FIN) once the queue is sent. */
  shutdown(): void;
  /** Closes in order once the queue is sent; lingers bounded in time. Only onClose follows. */
  close(): void;
  /** Drops the queue and sends RST now. Only onClose follows. */
  reset(): void;
  /**
   * Sends RST once the peer has all that was written before (bounded in time): how a relay passes on a
   * reset without overtaking the data that came before it. Only onClose follows.
   */
  resetWhenSent(): void;
}
