/** One HTTP/1.1 connection to a next hop, and the attempt that is made over it: one request out, its answer in. */

import type { Channel, ChannelHandler, CloseCause } from "../engine/channel.ts";
import { vanishedErrno } from "../engine/close-cause.ts";
import { responseBody } from "../http/h1/body-kind.ts";
import { BODY, type Body, METHOD, type Method, type Problem } from "../http/h1/codes.ts";
import { Framer } from "../http/h1/framer.ts";
import type { Head } from "../http/h1/head.ts";
import { parseResponse } from "../http/h1/parse-head.ts";
import type { Attempt, AttemptListener, Ending } from "../http/message.ts";
import type { HeadPool } from "./head-pool.ts";
import type { HeadSlots } from "./head-slots.ts";
import { HeldBytes } from "./held-bytes.ts";
import { type Asking, sendRequest } from "./send-request.ts";

/** Who keeps a connection while nobody asks over it. */
export interface Keeper {
  /** It has ended, or is out of step and was cut: it must not be used any more. */
  onIdleEnd(upstream: Http1Upstream, ending: Ending): void;
}

/** What every upstream connection of a worker shares. */
export interface UpstreamInputs {
  readonly heads: HeadPool;
  readonly slots: HeadSlots;
  /** Where heads for the next hop are written: larger than any head, valid until the next write. */
  readonly scratch: Uint8Array;
}

/**
 * Where the connection stands. `idle`: nobody asks. `head`: asked, the final head is not complete. `body`: inside the
 * answer's body. `upload`: the answer is complete, the request is not. `gone`: handed over, cut or closed.
 */
type Phase = "idle" | "head" | "body" | "upload" | "gone";

/** What is true of the request that is asked now. */
interface Question {
  method: Method;
  upgrade: boolean;
  /** The whole request was given. */
  whole: boolean;
  /** Any byte of an answer has come. */
  answered: boolean;
  /** The server takes another request after this answer. */
  mayFollow: boolean;
}

const RESET: Ending = { kind: "reset" };
const END: Ending = { kind: "end" };

/** An established upstream connection. */
export class Http1Upstream implements ChannelHandler, Attempt {
  readonly channel: Channel;
  /** Requests begun on this connection: more than one means that it was kept alive in between. */
  requests = 0;
  keeper: Keeper | undefined;
  readonly #inputs: UpstreamInputs;
  #listener: AttemptListener<Channel> | undefined;
  #phase: Phase = "idle";
  readonly #question: Question = {
    method: METHOD.other,
    upgrade: false,
    whole: true,
    answered: false,
    mayFollow: true,
  };
  /** Set while the response head is incomplete. */
  #head: Head | undefined;
  #held: HeldBytes | undefined;
  readonly #framer: Framer = new Framer("response");

  /** Takes over an open channel. */
  constructor(channel: Channel, inputs: UpstreamInputs) {
    this.channel = channel;
    this.#inputs = inputs;
    channel.handler = this;
    channel.resume();
  }

  get answered(): boolean {
    return this.#question.answered;
  }

  get reused(): boolean {
    return this.requests > 1;
  }

  /** Something came from the server that nobody was told yet: its end, or an answer that nobody asked for. */
  get unread(): boolean {
    return this.channel.unread;
  }

  /** Whether another request may be asked: the last answer is complete, and the server goes on. */
  get ready(): boolean {
    return this.#phase === "idle" && this.#question.mayFollow && !this.channel.closed;
  }

  /** Sends a request's head and the first part of its body. Returns false to be asked to wait for onSent. */
  ask(listener: AttemptListener<Channel>, asking: Asking): boolean {
    const { head, whole } = asking;
    this.#listener = listener;
    this.#phase = "head";
    this.requests++;
    const question = this.#question;
    question.method = head.method;
    question.upgrade = head.upgrade;
    question.whole = whole;
    question.answered = false;
    question.mayFollow = true;
    return sendRequest(this.channel, asking, this.#inputs);
  }

  data(buffer: Uint8Array, start: number, end: number, whole: boolean): boolean {
    this.#question.whole = whole;
    const sent = this.channel.write(buffer, start, end);
    if (whole && this.#phase === "upload") this.#release();
    return sent;
  }

  end(): void {
    this.#question.mayFollow = false;
    this.channel.shutdown();
  }

  abortWhenSent(): void {
    this.#letGo();
    this.channel.resetWhenSent();
  }

  abort(): void {
    this.#letGo();
    this.channel.reset();
  }

  pause(): void {
    this.channel.pause();
  }

  resume(): void {
    this.channel.resume();
  }

  /** Closes an idle connection in order. Its keeper must have forgotten it. */
  close(): void {
    this.#letGo();
    this.channel.close();
  }

  onOpen(): void {
    // It was open when it came here.
  }

  onDrain(): void {
    this.#listener?.onSent();
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    switch (this.#phase) {
      case "idle":
        this.#surplus();
        return;
      case "head":
        this.#question.answered = true;
        if (this.#held === undefined) this.#heads(buffer, start, end);
        else {
          const held = this.#held;
          held.append(buffer, start, end);
          this.#heads(held.bytes, 0, held.length);
        }
        return;
      case "body":
        this.#body(buffer, start, end);
        return;
      case "upload":
        // More than was announced: this connection is out of step.
        this.#question.mayFollow = false;
        return;
      case "gone":
        return;
    }
  }

  onEnd(channel: Channel): void {
    if (this.#phase === "gone") return;
    if (this.#phase === "idle") {
      this.#idleEnd(END);
      channel.close();
      return;
    }
    this.#question.mayFollow = false;
    if (this.#phase === "upload") {
      this.#listener?.onFailure(END);
      return;
    }
    this.#fail(END);
    // Not a reset: what the client still sends would be answered so by the server's own kernel, if it has gone for good.
    channel.close();
  }

  onClose(_channel: Channel, cause: CloseCause): void {
    this.#giveHead();
    this.#drop();
    const ending = endingOf(cause);
    if (this.#phase === "idle") this.#idleEnd(ending);
    else if (this.#phase !== "gone") this.#fail(ending);
  }

  /** Parses the heads in `[start, end)`: any number of interim ones, then the final one. */
  #heads(buffer: Uint8Array, from: number, end: number): void {
    let start = from;
    while (this.#phase === "head") {
      const head = this.#head ?? this.#inputs.heads.take();
      this.#head = head;
      head.feed(buffer, start, end);
      const at = parseResponse(head);
      const kind = at > 0 ? responseBody(head, this.#question) : at;
      if (at === 0) {
        this.#held ??= new HeldBytes(this.channel);
        this.#held.replace(buffer, start, end);
        return;
      }
      if (isProblem(kind)) {
        this.#malformed(kind);
        return;
      }
      if (kind !== BODY.interim) {
        this.#final(head, kind as Body, { buffer, start: at, end });
        return;
      }
      this.#listener?.onInterim(head);
      this.#giveHead();
      start = at;
      if (start === end) {
        this.#drop();
        return;
      }
    }
  }

  #final(
    head: Head,
    kind: Body,
    piece: { readonly buffer: Uint8Array; readonly start: number; readonly end: number },
  ): void {
    const { buffer, start, end } = piece;
    const listener = this.#listener;
    if (listener === undefined) return;
    if (kind === BODY.tunnel || kind === BODY.untilClose) {
      this.#letGo();
      listener.onBytes(head, piece, this.channel);
      this.#giveHead();
      this.#drop();
      return;
    }
    this.#phase = "body";
    this.#framer.reset(kind, head.contentLength);
    const bodyEnd = this.#framer.eat(buffer, start, end);
    if (bodyEnd < 0) {
      this.#malformed(bodyEnd);
      return;
    }
    const question = this.#question;
    question.mayFollow = question.mayFollow && head.keepAlive && bodyEnd === end;
    const ready = listener.onHead(head, { buffer, start, end: bodyEnd }, question.mayFollow);
    this.#giveHead();
    this.#drop();
    this.#afterBody(listener, ready);
  }

  #body(buffer: Uint8Array, start: number, end: number): void {
    const listener = this.#listener;
    if (listener === undefined) return;
    const bodyEnd = this.#framer.eat(buffer, start, end);
    if (bodyEnd < 0) {
      this.#malformed(bodyEnd);
      return;
    }
    if (bodyEnd < end) this.#question.mayFollow = false;
    this.#afterBody(listener, listener.onData(buffer, start, bodyEnd));
  }

  #afterBody(listener: AttemptListener<Channel>, ready: boolean): void {
    if (this.#listener !== listener || this.#phase !== "body") return;
    if (!this.#framer.done) {
      if (!ready) this.channel.pause();
      return;
    }
    if (this.#question.whole) this.#release();
    else this.#phase = "upload";
    listener.onEnd();
  }

  /** Request and answer are complete: the connection is whoever's who keeps it. */
  #release(): void {
    this.#listener = undefined;
    this.#phase = "idle";
  }

  #letGo(): void {
    this.#listener = undefined;
    this.#phase = "gone";
    this.#giveHead();
  }

  #malformed(problem: number): void {
    this.#fail({ kind: "malformed", problem });
    this.channel.reset();
  }

  #fail(ending: Ending): void {
    const listener = this.#listener;
    this.#letGo();
    listener?.onFailure(ending);
  }

  /** A late or smuggled answer: the connection is out of step and must not be used. */
  #surplus(): void {
    this.#idleEnd(RESET);
    this.channel.reset();
  }

  #idleEnd(ending: Ending): void {
    this.#letGo();
    this.keeper?.onIdleEnd(this, ending);
    this.keeper = undefined;
  }

  /** The head is read: what was held of it is needed no more. */
  #drop(): void {
    this.#held?.clear();
    this.#held = undefined;
  }

  #giveHead(): void {
    if (this.#head === undefined) return;
    this.#inputs.heads.give(this.#head);
    this.#head = undefined;
  }
}

function endingOf(cause: CloseCause): Ending {
  if (cause.kind === "closed") return END;
  const errno = vanishedErrno(cause);
  return errno === undefined ? RESET : { kind: "vanished", errno };
}

function isProblem(kind: number): kind is Problem {
  return kind < 0;
}
