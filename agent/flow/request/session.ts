/** One client connection that speaks HTTP/1.1: has its requests carried one after the other, and ends with its client. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel, ChannelHandler, CloseCause } from "../../engine/channel.ts";
import { Timer, type TimerHandler } from "../../engine/timers.ts";
import { requestProblem } from "../../http/h1/problem.ts";
import type { Ending } from "../../http/message.ts";
import type { UpstreamPool } from "../../transport/pool.ts";
import type { Permit } from "../authorize.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import { closedRefusal, endingRefusal } from "../closed-refusal.ts";
import type { Course } from "../course.ts";
import { describePlan } from "../describe.ts";
import { misspoken } from "../misdeclared.ts";
import type { Attendant, Connection, LocalPod } from "../pod.ts";
import { type SpokenFirst, spokenOf } from "../spoken.ts";
import { idleRefusal } from "../tie.ts";
import type { HttpContext } from "./context.ts";
import { Exchange } from "./exchange.ts";
import { Http1Stream, type StreamConnection } from "./http1-stream.ts";
import type { Lease } from "./lease.ts";
import { Link, type LinkOwner } from "./link.ts";
import { type Read, Reader } from "./reader.ts";
import { refuseUnread } from "./refuse-unread.ts";
import {
  BEGINNING,
  EXCHANGING,
  FIRST,
  type Intake,
  idleTimeout,
  OVER,
  READING,
  type SessionInit,
  type SessionState,
} from "./session-state.ts";

/** The handler of its channel. */
export class HttpSession
  implements ChannelHandler, StreamConnection, Connection, LinkOwner, TimerHandler
{
  readonly link: Link;
  course: Course;
  readonly #context: HttpContext;
  readonly #init: SessionInit;
  readonly #stream: Http1Stream;
  readonly #exchange: Exchange;
  readonly #reader: Reader;
  readonly #timer: Timer = new Timer(this);
  #state: SessionState = FIRST;
  #intake: Intake;

  constructor(context: HttpContext, init: SessionInit) {
    this.#context = context;
    this.#init = init;
    this.course = init.course;
    this.link = new Link(init.course.plan.nextHop.kind === "fixed" ? "bound" : "shared", this);
    this.#intake = context.draining() ? "last" : "open";
    this.#reader = new Reader(context.heads, init.channel);
    this.#stream = new Http1Stream(this, context.scratch);
    this.#exchange = new Exchange(context, this.#stream);
    this.#arm(idleTimeout(this.#intake, this.#context.timeouts));
  }

  get channel(): Channel {
    return this.#init.channel;
  }

  get pod(): LocalPod {
    return this.#init.pod;
  }

  get untold(): SessionInit["count"] {
    return this.#init.count;
  }

  get permit(): Permit {
    return this.course.permit;
  }

  get requestWhole(): boolean {
    return !this.#reader.inBody;
  }

  get lastRequest(): boolean {
    if (this.#intake === "ended") return this.#reader.held.length === 0;
    return this.#intake === "last";
  }

  pool(endpoint: LiveEndpoint): UpstreamPool<Lease> {
    return this.pod.pool(endpoint);
  }

  onOpen(): void {
    // It was accepted: open from the start.
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    switch (this.#state.at) {
      case "reading":
        if (this.#reader.held.length === 0) this.#take(buffer, start, end);
        else {
          this.#reader.held.append(buffer, start, end);
          this.#pump();
        }
        return;
      case "exchanging":
        this.touch();
        this.#duringExchange(buffer, start, end);
        return;
      default:
        return;
    }
  }

  onEnd(): void {
    this.#intake = "ended";
    const { bytes, length } = this.#reader.held;
    const first = this.#state.at === "reading" && this.#state.first && length > 0;
    const spoken = first ? spokenOf(bytes, 0, length) : "http";
    if (spoken === "http") this.#passEnd();
    else {
      this.#becomeBytes(bytes.subarray(0, length), spoken);
      this.channel.handler.onEnd(this.channel);
    }
  }

  onDrain(): void {
    this.#exchange.clientDrained();
    this.#pump();
    if (this.#state.at === "reading") this.channel.resume();
  }

  onClose(_channel: Channel, cause: CloseCause): void {
    const state = this.#state;
    const why = state.at === "over" && state.why ? state.why : closedRefusal("client", cause);
    this.#finish();
    if (state.at === "exchanging") this.#exchange.clientGone();
    if (cause.kind === "closed") this.link.leave();
    else this.link.reset();
    if (this.#exchange.active) this.#state = { at: "leaving", why };
    else this.#ended(why);
  }

  onTimer(): void {
    if (this.#state.at === "exchanging") this.#exchange.cut(504, idleRefusal());
    else if (this.#reader.held.length > 0)
      this.#refuse(408, refuse("head-timeout", "the request head was not finished in time"));
    else this.#close();
  }

  /** A byte moved: the connection is not idle. */
  touch(): void {
    const { idleMs } = this.#context.timeouts;
    if (idleMs > 0) this.#arm(idleMs);
  }

  finished(keep: boolean): void {
    if (this.#state.at !== "exchanging") return;
    const { begun } = this.#state;
    this.#state = READING;
    if (!keep || this.link.over) {
      this.#close();
      return;
    }
    this.#arm(idleTimeout(this.#intake, this.#context.timeouts));
    // Whoever began it goes on with what came behind it.
    if (!begun) return;
    this.#pump();
    if (this.#state === READING && this.channel.queuedBytes === 0) this.channel.resume();
  }

  left(): void {
    if (this.#state.at !== "leaving") return;
    const { why } = this.#state;
    this.#state = OVER;
    this.#ended(why);
  }

  mirror(ending: Ending, why?: Refusal): void {
    this.#finish(why);
    if (ending.kind === "end") this.channel.close();
    else this.channel.resetWhenSent();
  }

  boundEnded(ending: Ending): void {
    if (this.#state.at === "reading") this.mirror(ending, endingRefusal("server", ending));
  }

  tied(upstream: Channel): void {
    const { held } = this.#reader;
    if (held.length > 0) upstream.write(held.bytes, 0, held.length);
    this.#finish();
    const cut = this.#context.tie(this.channel, upstream, { onEnd: (why) => this.#untied(why) });
    this.#state = { at: "tied", cut };
    if (this.#intake === "ended") this.channel.handler.onEnd(this.channel);
  }

  #untied(why: Refusal | undefined): void {
    this.#state = OVER;
    this.#exchange.untied(why);
    this.#ended(why);
  }

  drain(): void {
    if (this.#intake === "open") this.#intake = "last";
    if (this.#isIdle()) this.#arm(idleTimeout(this.#intake, this.#context.timeouts));
  }

  cut(why?: Refusal): void {
    switch (this.#state.at) {
      case "exchanging":
        if (why !== undefined) this.#exchange.cut(503, why);
        else {
          this.#exchange.drop();
          this.channel.reset();
        }
        return;
      case "tied":
        this.#state.cut(why);
        return;
      case "leaving":
        this.#exchange.drop();
        return;
      case "reading":
        if (this.#isIdle()) this.#close();
        else this.channel.reset();
        return;
      case "over":
        this.channel.reset(); // it may linger for its peer's end: nobody waits for that
        return;
    }
  }

  account(): void {
    this.#exchange.account(this.#init.count);
  }

  attend(attendant: Attendant): void {
    attendant.attend(this.course.plan.direction, this.channel, this.link.carrier);
  }

  describe(): Readonly<Record<string, string | number>> {
    return { protocol: "http", ...describePlan(this.course.plan), phase: this.#state.at };
  }

  /** Body of the current request, and what must wait behind it: one read's worth of it is enough. */
  #duringExchange(buffer: Uint8Array, start: number, end: number): void {
    let from = start;
    if (this.#reader.inBody) {
      from = this.#reader.body(buffer, start, end);
      if (from < 0) {
        const { status, reason, detail, rule } = requestProblem(from);
        this.#stream.last();
        this.#exchange.cut(status, refuse(reason, detail, rule));
        return;
      }
      this.#exchange.body(buffer, start, from, !this.#reader.inBody);
    }
    if (from === end) return;
    if (this.#state.at === "reading") this.#take(buffer, from, end);
    else if (this.#state.at === "exchanging") this.#hold(buffer, from, end);
  }

  /** Reads requests from the shared buffer; what can't begin yet is held. */
  #take(buffer: Uint8Array, start: number, end: number): void {
    let from = start;
    while (from < end && this.#mayBegin()) {
      const used = this.#next(buffer, from, end);
      if (used === from) break;
      from = used;
    }
    if (from < end && (this.#state.at === "reading" || this.#state.at === "exchanging"))
      this.#hold(buffer, from, end);
    this.#passEnd();
  }

  /** Works through what is held: pipelined requests, or a head that came in pieces. */
  #pump(): void {
    const { held } = this.#reader;
    while (held.length > 0 && this.#mayBegin()) {
      const before = held.length;
      const used = this.#next(held.bytes, 0, before);
      if (used === 0) break;
      // Otherwise the connection has ended or become another, and its bytes with it.
      if (held.length === before) held.replace(held.bytes, used, before);
      if (held.length === 0) held.clear();
    }
    // Nothing waits: the client's end must be heard while its last request is carried.
    const carried = this.#state.at === "exchanging" && this.requestWhole;
    if (held.length === 0 && carried) this.channel.resume();
    this.#passEnd();
  }

  /** A request begins only once the client has taken what was answered before it. */
  #mayBegin(): boolean {
    return this.#state.at === "reading" && this.channel.queuedBytes === 0;
  }

  /** One read's worth of what must wait is enough. An unfinished head waits for its rest. */
  #hold(buffer: Uint8Array, start: number, end: number): void {
    this.#reader.held.append(buffer, start, end);
    if (!this.#mayBegin()) this.channel.pause();
  }

  /** The client's FIN is passed on once nothing of it waits. */
  #passEnd(): void {
    if (this.#intake !== "ended") return;
    const waits = this.#reader.held.length > 0;
    if (this.#state.at === "exchanging" && !waits) this.#exchange.clientEnded();
    else if (this.#state.at === "reading" && (!waits || this.channel.queuedBytes === 0))
      this.#close();
  }

  /** Reads one request and begins its exchange. Returns the offset behind what was used. */
  #next(buffer: Uint8Array, start: number, end: number): number {
    const read = this.#reader.request(buffer, start, end);
    switch (read.kind) {
      case "more":
        this.#arm(this.#context.timeouts.headMs);
        return start;
      case "problem":
        return this.#misread(read.problem, buffer.subarray(start, end)) ? start : end;
      case "request":
        return this.#begin(read, buffer);
    }
  }

  #begin(read: Extract<Read, { kind: "request" }>, buffer: Uint8Array): number {
    const { head, bodyStart, bodyEnd, whole } = read;
    const course = this.#init.story.correct(this.course);
    if ("kind" in course) {
      this.#context.heads.give(head);
      this.#refuse(course.reason === "denied" ? 403 : 503, course);
      return bodyEnd;
    }
    this.course = course;
    this.#state = BEGINNING;
    this.#arm(this.#context.timeouts.idleMs);
    this.#stream.begin(head);
    this.#exchange.begin(head, { buffer, start: bodyStart, end: bodyEnd }, whole);
    if (this.#state === BEGINNING) this.#state = EXCHANGING;
    return bodyEnd;
  }

  /**
   * Once a request line is HTTP, HTTP's rules hold; a connection that begins otherwise is no HTTP at all. Returns whether
   * more bytes are needed to tell.
   */
  #misread(problem: number, bytes: Uint8Array): boolean {
    const first = this.#state.at === "reading" && this.#state.first;
    const spoken = first ? spokenOf(bytes, 0, bytes.length) : "http";
    if (spoken === "undecided") return true;
    if (spoken === "http") {
      const { status, reason, detail, rule } = requestProblem(problem);
      this.#refuse(status, refuse(reason, detail, rule));
    } else this.#becomeBytes(bytes, spoken);
    return false;
  }

  #becomeBytes(bytes: Uint8Array, first: SpokenFirst): void {
    this.#finish();
    const spoken = misspoken(first);
    if (spoken !== undefined) this.#context.misdeclared(this.course.plan, spoken);
    this.#init.story.notHttp(this, bytes);
  }

  #refuse(status: number, refusal: Refusal): void {
    const unread = { plan: this.course.plan, status, refusal, untold: this.untold };
    refuseUnread(this.channel, this.#context.recorder, unread);
    this.#close();
  }

  #ended(refusal: Refusal | undefined): void {
    this.#init.count.closed(refusal);
    this.#init.story.ended(this);
  }

  #close(): void {
    this.#finish();
    this.link.leave();
    this.channel.close();
  }

  /** Between requests: nothing of the next one has come. */
  #isIdle(): boolean {
    return this.#state.at === "reading" && this.#reader.held.length === 0;
  }

  #finish(why?: Refusal): void {
    this.#state = why === undefined ? OVER : { at: "over", why };
    this.#context.timers.cancel(this.#timer);
    this.#reader.dispose();
  }

  #arm(delayMs: number): void {
    if (delayMs > 0) this.#context.timers.arm(this.#timer, delayMs);
    else this.#context.timers.cancel(this.#timer);
  }
}
