/**
 * Two channels tied together: what comes in on one goes out on the other, as if the two peers were
 * connected directly. A slow reader stops the sender (what waits is at most one read beyond the sockets'
 * buffers), FIN crosses as FIN, RST as RST and not before the data that came first.
 */

import type { Channel, ChannelHandler, CloseCause } from "./channel.ts";
import { CLOSED, TIMED_OUT, vanishedErrno } from "./close-cause.ts";
import type { Loop } from "./loop.ts";
import { Timer } from "./timers.ts";

/** What to tie together. Either side may still be connecting. */
export interface RelayOptions {
  readonly left: Channel;
  readonly right: Channel;
  /** Milliseconds without a byte in either direction after which both are reset; 0 never. */
  readonly idleTimeoutMs: number;
}

/** How a relay ended: by which side first, and how. */
export interface RelayEnd {
  readonly side: "left" | "right" | "idle" | "cut";
  readonly cause: CloseCause;
}

/** Told once, when both channels are closed. */
export interface RelayWatcher {
  onRelayEnd(relay: Relay, end: RelayEnd): void;
  /** An outbound side has connected. */
  onRelayOpen?(relay: Relay): void;
  /** The very first bytes of either side, before they are passed on; the view lasts for the call only. */
  onFirstData?(side: "left" | "right", bytes: Uint8Array): void;
}

/** A running relay. Byte counts are the channels' own (`bytesIn`, `bytesOut`). */
export interface Relay {
  readonly left: Channel;
  readonly right: Channel;
  /** Resets both sides now (drain deadline, revoked permission); onRelayEnd follows with side `cut`. */
  cut(): void;
}

/** Ties both channels together; their handlers are replaced. Bytes peeked before must have been written on already. */
export function relay(loop: Loop, options: RelayOptions, watcher: RelayWatcher): Relay {
  return new RunningRelay(loop, options, watcher);
}

class RunningRelay implements Relay {
  readonly left: Channel;
  readonly right: Channel;
  readonly #loop: Loop;
  readonly #watcher: RelayWatcher;
  readonly #idle: Timer = new Timer(this);
  readonly #idleMs: number;
  #end: RelayEnd | undefined = undefined;
  #openSides = 2;
  #endedSides = 0;
  #silent = true;

  constructor(loop: Loop, options: RelayOptions, watcher: RelayWatcher) {
    this.left = options.left;
    this.right = options.right;
    this.#loop = loop;
    this.#watcher = watcher;
    this.#idleMs = options.idleTimeoutMs;
    this.left.handler = new Side(this, this.left, this.right);
    this.right.handler = new Side(this, this.right, this.left);
    // A side that holds unsent bytes already (the peeked ones) has its source wait from the start.
    if (this.right.queuedBytes > 0) this.left.pause();
    else this.left.resume();
    if (this.left.queuedBytes > 0) this.right.pause();
    else this.right.resume();
    this.touch();
  }

  cut(): void {
    this.#finish({ side: "cut", cause: CLOSED });
  }

  onTimer(): void {
    if (!this.#onlyDelivers()) this.#finish({ side: "idle", cause: TIMED_OUT });
  }

  /** A byte moved. */
  touch(): void {
    if (this.#idleMs > 0) this.#loop.arm(this.#idle, this.#idleMs);
  }

  /** Bytes came in. */
  moved(from: Channel, buffer: Uint8Array, start: number, end: number): void {
    this.touch();
    if (!this.#silent) return;
    this.#silent = false;
    const side = from === this.left ? "left" : "right";
    this.#watcher.onFirstData?.(side, buffer.subarray(start, end));
  }

  ended(): void {
    this.#endedSides++;
  }

  opened(): void {
    this.#watcher.onRelayOpen?.(this);
  }

  closed(channel: Channel, cause: CloseCause): void {
    this.#end ??= { side: channel === this.left ? "left" : "right", cause };
    if (--this.#openSides > 0) return;
    this.#loop.cancel(this.#idle);
    this.#watcher.onRelayEnd(this, this.#end);
  }

  /** Both directions are through but for what the kernel has; how long that may take is the channels' own affair. */
  #onlyDelivers(): boolean {
    return this.#endedSides === 2 && this.left.queuedBytes === 0 && this.right.queuedBytes === 0;
  }

  #finish(end: RelayEnd): void {
    this.#end ??= end;
    this.left.reset();
    this.right.reset();
  }
}

/** Handles one side's events. */
class Side implements ChannelHandler {
  readonly #relay: RunningRelay;
  readonly #self: Channel;
  readonly #peer: Channel;

  constructor(relay: RunningRelay, self: Channel, peer: Channel) {
    this.#relay = relay;
    this.#self = self;
    this.#peer = peer;
  }

  onOpen(): void {
    this.#relay.opened();
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    this.#relay.moved(this.#self, buffer, start, end);
    if (!this.#peer.write(buffer, start, end)) this.#self.pause();
  }

  onEnd(): void {
    this.#relay.ended();
    this.#peer.shutdown();
  }

  onDrain(): void {
    this.#relay.touch();
    this.#peer.resume();
  }

  onClose(_channel: Channel, cause: CloseCause): void {
    this.#relay.closed(this.#self, cause);
    if (cause.kind === "reset" || vanishedErrno(cause) !== undefined) this.#peer.resetWhenSent();
    else if (cause.kind !== "closed") this.#peer.reset();
    else {
      // Both directions of this side are through; the other one ends by itself when its reader has all.
      this.#peer.shutdown();
      this.#peer.resume();
    }
  }
}
