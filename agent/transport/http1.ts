/** One HTTP/1.1 connection to a next hop: one request at a time out, its response parsed and framed in. */

import type { Channel, ChannelHandler, CloseCause } from "../engine/channel.ts";
import { responseBody } from "../http/h1/body-kind.ts";
import { BODY, type Body, type Method, type Problem } from "../http/h1/codes.ts";
import { Framer } from "../http/h1/framer.ts";
import type { Head } from "../http/h1/head.ts";
import { parseResponse } from "../http/h1/parse-head.ts";
import type { HeadPool } from "./head-pool.ts";
import { HeldBytes } from "./held-bytes.ts";
import type { Poolable, UpstreamPool } from "./pool.ts";

/** Why an exchange could not be finished by the next hop. */
export type UpstreamFailure =
  /** The connection was never established. Nothing was sent. */
  | { readonly kind: "connect"; readonly errno: string }
  /** The connection ended before a complete response. */
  | { readonly kind: "closed"; readonly cause: CloseCause }
  /** The response can't be understood: a PROBLEM code. */
  | { readonly kind: "malformed"; readonly problem: number };

/**
 * Who waits for a response. Exactly one of `onComplete`, `onFailure` and `onTunnel` ends an exchange, and
 * nothing is called after it (a tunnel goes on by its own rules).
 */
export interface ResponseReceiver {
  /** A 1xx answer; the final one follows. */
  onInterim(head: Head): void;
  /** The final head, with the first framed bytes `[start, end)` of its body. Returns false to be asked to wait. */
  onResponse(head: Head, buffer: Uint8Array, start: number, end: number): boolean;
  /** More framed body bytes. Returns false to be asked to wait. */
  onBody(buffer: Uint8Array, start: number, end: number): boolean;
  /** The response is complete. `reusable`: the connection takes another request. */
  onComplete(reusable: boolean): void;
  onFailure(failure: UpstreamFailure): void;
  /** 101 or CONNECT 2xx: the head, with the first bytes that came behind it. The receiver takes the channel over. */
  onTunnel(head: Head, buffer: Uint8Array, start: number, end: number): void;
  /** Everything written so far has been sent. */
  onSent(): void;
}

/** What every upstream connection of a worker shares. */
export interface UpstreamInputs {
  readonly heads: HeadPool;
}

/** An upstream connection. Busy while it has a receiver, idle otherwise. */
export class Http1Upstream implements ChannelHandler, Poolable {
  readonly pool: UpstreamPool<Http1Upstream>;
  /** Requests begun on this connection: more than one means it was kept alive in between. */
  requests = 0;
  /** Loop time (ms) when it became idle. */
  idleSince = 0;
  #channel: Channel | undefined;
  #receiver: ResponseReceiver | undefined;
  #method: Method = 0;
  #upgradeAsked = false;
  /** Set while the response head is incomplete. */
  #head: Head | undefined;
  readonly #held: HeldBytes = new HeldBytes();
  readonly #framer: Framer = new Framer("response");
  #inBody = false;
  #untilClose = false;
  #keepAlive = true;
  #opened = false;
  #answered = false;
  readonly #inputs: UpstreamInputs;

  constructor(pool: UpstreamPool<Http1Upstream>, inputs: UpstreamInputs) {
    this.pool = pool;
    this.#inputs = inputs;
  }

  /** The channel; `bind` must have been called. */
  get channel(): Channel {
    if (this.#channel === undefined) throw new Error("upstream used before it was bound");
    return this.#channel;
  }

  /** Whether any byte of the current response has arrived. */
  get answered(): boolean {
    return this.#answered;
  }

  get unread(): boolean {
    return this.channel.unread;
  }

  /** Whether the connection is established. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Gives it its channel, once. */
  bind(channel: Channel): void {
    this.#channel = channel;
  }

  /** Begins an exchange. The caller writes the request to `channel`. */
  begin(receiver: ResponseReceiver, method: Method, upgradeAsked: boolean): void {
    this.#receiver = receiver;
    this.#method = method;
    this.#upgradeAsked = upgradeAsked;
    this.#inBody = false;
    this.#answered = false;
    this.requests++;
  }

  /** Ends an unfinished exchange from the client's side: the connection can't be used again. */
  abandon(): void {
    this.#receiver = undefined;
    this.#release();
    this.channel.reset();
  }

  /** Closes an idle connection. */
  dispose(): void {
    this.channel.close();
  }

  onOpen(): void {
    this.#opened = true;
    this.#receiver?.onSent();
  }

  onDrain(): void {
    this.#receiver?.onSent();
  }

  onData(channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    if (this.#receiver === undefined) {
      // Nobody asked: a late or smuggled answer. The connection is out of step and must not be used.
      if (this.pool.remove(this)) channel.reset();
      return;
    }
    this.#answered = true;
    if (this.#inBody) this.#body(buffer, start, end);
    else if (this.#held.length === 0) this.#heads(buffer, start, end);
    else {
      this.#held.append(buffer, start, end);
      this.#heads(this.#held.bytes, 0, this.#held.length);
    }
  }

  onEnd(channel: Channel): void {
    const receiver = this.#receiver;
    if (receiver === undefined) {
      this.pool.remove(this);
      channel.close();
      return;
    }
    if (this.#inBody && this.#untilClose) {
      this.#finish(receiver, false);
      channel.close();
      return;
    }
    this.#fail({ kind: "closed", cause: { kind: "closed" } });
    channel.reset();
  }

  onClose(_channel: Channel, cause: CloseCause): void {
    this.pool.connections--;
    this.pool.remove(this);
    this.#release();
    if (this.#receiver === undefined) return;
    this.#fail(
      this.#opened
        ? { kind: "closed", cause }
        : { kind: "connect", errno: cause.kind === "failed" ? cause.errno : "ECONNRESET" },
    );
  }

  /** Parses the heads in `[start, end)`: any number of interim ones, then the final one. */
  #heads(buffer: Uint8Array, from: number, end: number): void {
    let start = from;
    for (;;) {
      const head = this.#head ?? this.#inputs.heads.take();
      this.#head = head;
      head.feed(buffer, start, end);
      const at = parseResponse(head);
      if (at < 0) {
        this.#malformed(at);
        return;
      }
      if (at === 0) {
        this.#hold(buffer, start, end);
        return;
      }
      const kind = responseBody(head, { method: this.#method, upgrade: this.#upgradeAsked });
      if (isProblem(kind)) {
        this.#malformed(kind);
        return;
      }
      if (kind !== BODY.interim) {
        this.#final(head, kind, buffer, at, end);
        return;
      }
      this.#receiver?.onInterim(head);
      this.#release();
      start = at;
      if (start === end) {
        this.#held.clear();
        return;
      }
    }
  }

  #final(head: Head, kind: Body, buffer: Uint8Array, start: number, end: number): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    if (kind === BODY.tunnel) {
      this.#receiver = undefined;
      receiver.onTunnel(head, buffer, start, end);
      this.#head = undefined;
      this.#inputs.heads.give(head);
      this.#held.clear();
      return;
    }
    this.#inBody = true;
    this.#untilClose = kind === BODY.untilClose;
    this.#keepAlive = head.keepAlive && !this.#untilClose;
    this.#framer.reset(kind, head.contentLength);
    const bodyEnd = this.#framer.eat(buffer, start, end);
    if (bodyEnd < 0) {
      this.#malformed(bodyEnd);
      return;
    }
    const ready = receiver.onResponse(head, buffer, start, bodyEnd);
    this.#release();
    this.#held.clear();
    this.#afterBody(receiver, ready, bodyEnd < end);
  }

  #body(buffer: Uint8Array, start: number, end: number): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    const bodyEnd = this.#framer.eat(buffer, start, end);
    if (bodyEnd < 0) {
      this.#malformed(bodyEnd);
      return;
    }
    const ready = receiver.onBody(buffer, start, bodyEnd);
    this.#afterBody(receiver, ready, bodyEnd < end);
  }

  #afterBody(receiver: ResponseReceiver, ready: boolean, surplus: boolean): void {
    if (this.#receiver !== receiver) return;
    if (this.#framer.done) this.#finish(receiver, this.#keepAlive && !surplus);
    else if (!ready) this.channel.pause();
  }

  #finish(receiver: ResponseReceiver, reusable: boolean): void {
    this.#receiver = undefined;
    this.#inBody = false;
    receiver.onComplete(reusable);
  }

  #malformed(problem: number): void {
    this.#fail({ kind: "malformed", problem });
    this.channel.reset();
  }

  #fail(failure: UpstreamFailure): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onFailure(failure);
  }

  #hold(buffer: Uint8Array, start: number, end: number): void {
    this.#held.replace(buffer, start, end);
  }

  #release(): void {
    if (this.#head === undefined) return;
    this.#inputs.heads.give(this.#head);
    this.#head = undefined;
  }
}

function isProblem(kind: Body | Problem): kind is Problem {
  return kind < 0;
}
