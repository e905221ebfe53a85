/**
 * What the engine gives to the rest of the agent: ordered, back-pressured byte channels driven by one
 * epoll loop per worker. `plain` sockets are one implementation; TLS will be another (its place is here:
 * a channel over a channel). No promises, no allocation per chunk.
 */

/** How a channel ended. */
export type CloseCause =
  /** Both directions ended in order, or close() was called here. */
  | { readonly kind: "closed" }
  /** The peer sent RST. */
  | { readonly kind: "reset" }
  /** A system call or a time-out ended it; `errno` is the symbolic name, for example `ECONNREFUSED`. */
  | { readonly kind: "failed"; readonly errno: string };

/** Receives a channel's events. One handler may serve many channels; it may be swapped between events. */
export interface ChannelHandler {
  /** An outbound channel is connected. Not called for accepted channels. */
  onOpen(channel: Channel): void;
  /**
   * Bytes `[start, end)` of `buffer` arrived. The buffer is the loop's shared read buffer: it is only
   * valid during this call; keep a copy of what must outlive it.
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
  /**
   * Sends bytes `[start, end)`. What the kernel does not take now is copied and queued.
   * Returns true when nothing is queued; false asks the caller to wait for onDrain (nothing is lost if it does not).
   * Before onOpen, bytes are queued. After close, reset or shutdown, ignored.
   */
  write(bytes: Uint8Array, start: number, end: number): boolean;
  /** write() of two pieces in one system call (writev): a head and the first bytes of a body. */
  write2(
    head: Uint8Array,
    headStart: number,
    headEnd: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
  ): boolean;
  /** Stops reading: the kernel's window closes and the peer feels it. */
  pause(): void;
  /** Reads again. */
  resume(): void;
  /** Half-closes (FIN) once the queue is sent. */
  shutdown(): void;
  /** Closes in order once the queue is sent; lingers bounded in time. */
  close(): void;
  /** Drops the queue and sends RST now. */
  reset(): void;
}
