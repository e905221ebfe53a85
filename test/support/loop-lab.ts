/** A loop in the test's own thread, with servers and clients on loopback in the same loop. */

import assert from "node:assert/strict";
import type { Channel, ChannelHandler, CloseCause } from "../../agent/engine/channel.ts";
import { connect } from "../../agent/engine/connect.ts";
import type { Accepted, Listener } from "../../agent/engine/listen.ts";
import { listen, openListener } from "../../agent/engine/listen.ts";
import { Loop } from "../../agent/engine/loop.ts";
import type { Owner } from "../../agent/engine/owner.ts";
import type { SocketAddress, System } from "../../agent/engine/system.ts";
import { Sockets } from "../../agent/kernel/sockets.ts";

/** A loop with listeners that are closed together. */
export class LoopLab {
  readonly loop: Loop;
  readonly owner: Owner;
  readonly #listeners: Listener[] = [];
  /** Errno names that listeners reported. */
  readonly acceptErrors: string[] = [];

  constructor(system: System = new Sockets(), limits: { memoryLimitBytes?: number } = {}) {
    this.loop = new Loop({ system, ...limits });
    this.owner = this.loop.owner(0);
  }

  /** A listener on loopback; `onAccept` must set the channel's handler. */
  serve(onAccept: (accepted: Accepted) => void, ip: string = "127.0.0.1"): SocketAddress {
    const fd = openListener(this.loop.system, { at: { ip, port: 0 } });
    assert.ok(fd >= 0, `listen: ${fd}`);
    const at = this.loop.system.localAddress(fd);
    assert.ok(typeof at === "object");
    const onAcceptFailed = (errno: string) => this.acceptErrors.push(errno);
    this.#listeners.push(
      listen(this.loop, { fd, owner: this.owner }, { onAccept, onAcceptFailed }),
    );
    return at;
  }

  /** An outbound channel. */
  dial(to: SocketAddress, handler: ChannelHandler): Channel {
    return connect(this.loop, { to, owner: this.owner, timeoutMs: 1000 }, handler);
  }

  /** Turns the loop until `done()`; fails when that takes longer than `deadlineMs`. */
  until(done: () => boolean, what: string, deadlineMs: number = 5000): void {
    const end = performance.now() + deadlineMs;
    while (!done()) {
      assert.ok(performance.now() < end, `not within ${deadlineMs} ms: ${what}`);
      this.loop.turn(50);
    }
  }

  /** Closes the listeners, waits for the last channel and disposes the loop. */
  end(): void {
    for (const listener of this.#listeners) listener.close();
    this.until(() => this.owner.channels === 0, "all channels closed");
    this.loop.turn(0);
    this.loop.turn(0);
    assert.equal(this.loop.chunks.usedBytes, 0, "chunks given back");
    assert.equal(this.owner.heldBytes, 0, "the owner's account is even");
    this.loop.dispose();
  }
}

/** Collects everything that happens to a channel; acts as told by the optional functions. */
export class Recorder implements ChannelHandler {
  readonly log: string[] = [];
  received: Uint8Array[] = [];
  cause: CloseCause | undefined;
  readonly #act: Partial<ChannelHandler>;

  constructor(act: Partial<ChannelHandler> = {}) {
    this.#act = act;
  }

  /** All bytes received so far. */
  get bytes(): Buffer {
    return Buffer.concat(this.received);
  }

  onOpen(channel: Channel): void {
    this.log.push("open");
    this.#act.onOpen?.(channel);
  }

  onData(channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    this.received.push(buffer.slice(start, end));
    this.#act.onData?.(channel, buffer, start, end);
  }

  onEnd(channel: Channel): void {
    this.log.push("end");
    this.#act.onEnd?.(channel);
  }

  onDrain(channel: Channel): void {
    this.log.push("drain");
    this.#act.onDrain?.(channel);
  }

  onClose(channel: Channel, cause: CloseCause): void {
    assert.equal(this.cause, undefined, "onClose comes once");
    this.log.push(cause.kind === "failed" ? cause.errno : cause.kind);
    this.cause = cause;
    this.#act.onClose?.(channel, cause);
  }
}

/** Sends back what comes, with back-pressure, and half-closes after the peer did. */
export const echo: ChannelHandler = {
  onOpen: () => undefined,
  onData: (channel, buffer, start, end) => {
    if (!channel.write(buffer, start, end)) channel.pause();
  },
  onEnd: (channel) => channel.shutdown(),
  onDrain: (channel) => channel.resume(),
  onClose: () => undefined,
};
