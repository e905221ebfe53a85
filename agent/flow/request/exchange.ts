/**
 * Carries requests of one client connection, one at a time: hears what happens, asks transition.ts what it leads to, and
 * does that. Of any protocol: it knows heads, pieces of bodies and endings.
 */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import { Timer, type TimerHandler } from "../../engine/timers.ts";
import type { Head } from "../../http/h1/head.ts";
import type { AnswerHead, AttemptListener, Ending, Piece } from "../../http/message.ts";
import { Http1Upstream } from "../../transport/http1.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { ByteCount } from "../byte-count.ts";
import { Reach, type ReachListener } from "../reach.ts";
import { Choice } from "./choice.ts";
import type { Client } from "./client.ts";
import type { HttpContext } from "./context.ts";
import { Facts } from "./facts.ts";
import { judge } from "./judge.ts";
import { KeptRequest } from "./kept-request.ts";
import type { Lease } from "./lease.ts";
import { EMPTY, END, type Load, NO_LOAD, RESET } from "./load.ts";
import { logsIn } from "./login.ts";
import {
  type Action,
  type ClientAction,
  type Event,
  IDLE,
  isWhole,
  mayRepeat,
  type State,
  transition,
} from "./transition.ts";
import { isToldByAgent, isUnserved } from "./unserved.ts";
import { failureRefusal, unreachableStatus } from "./upstream-failure.ts";

/** One object for all requests of a client connection. */
export class Exchange implements AttemptListener<Channel>, ReachListener, TimerHandler {
  readonly #context: HttpContext;
  readonly #client: Client;
  readonly #kept: KeptRequest;
  readonly #choice: Choice;
  readonly #facts: Facts;
  /** The endpoint's time to begin its answer; made when there is such a time. */
  #timer: Timer | undefined;
  #state: State = IDLE;
  #reach: Reach | undefined;
  /** The connection that is asked over, and the endpoint that is counted as busy. */
  #lease: Lease | undefined;

  constructor(context: HttpContext, client: Client) {
    this.#context = context;
    this.#client = client;
    this.#kept = new KeptRequest(context.slots, context.heads, client.holder);
    this.#choice = new Choice(context.recorder);
    this.#facts = new Facts(context, client);
  }

  /** Whether a request is being carried. */
  get active(): boolean {
    return this.#state !== IDLE;
  }

  /** Whether bytes go both ways. */
  get tied(): boolean {
    return this.#state.at === "bytes";
  }

  /** A while has passed: what was carried is told where it went. */
  account(count: ByteCount): void {
    count.account(this.#lease?.endpoint);
    this.#facts.goesOn(this.#lease?.endpoint);
  }

  /** A request has come, with the first piece of its body. The head is the exchange's from now on. */
  begin(request: Head, piece: Piece, whole: boolean): void {
    const { course, link } = this.#client;
    this.#facts.begin(request, piece.end - piece.start);
    if (logsIn(request)) link.bind(undefined);
    this.#choice.begin(request, course, link.boundTo);
    const { chosen } = this.#choice;
    this.#lease = chosen === undefined ? undefined : link.take(chosen, request);
    if (this.#lease !== undefined) this.#choice.take();
    const connected = this.#lease !== undefined;
    this.#hear({ is: "begin", whole, connected }, { request, piece, whole });
  }

  /** More of the request's body. */
  body(buffer: Uint8Array, start: number, end: number, whole: boolean): void {
    this.#facts.requestBytes += end - start;
    this.#hear({ is: "body", whole }, { piece: { buffer, start, end }, whole });
  }

  /** The client has half-closed, and nothing more of it waits. */
  clientEnded(): void {
    if (this.active && !this.tied) this.#hear({ is: "client-ended" });
  }

  /** The client is gone. */
  clientGone(): void {
    if (this.active && !this.tied) this.#hear({ is: "client-gone" });
  }

  /** The client can take more of the answer. */
  clientDrained(): void {
    this.#lease?.upstream.resume();
  }

  /** The mesh itself ends the exchange. */
  cut(status: number, refusal: Refusal): void {
    if (!this.active || this.tied) return;
    this.#hear({ is: "cut", mirrored: this.#mirrored }, { status, refusal });
  }

  /** The pod is gone: both sides are cut, the client's by the caller. */
  drop(): void {
    this.#hear({ is: "dropped" });
  }

  /** What was tied has ended. */
  untied(refusal: Refusal | undefined): void {
    this.#facts.untied(this.#lease?.endpoint, refusal);
    this.#hear({ is: "untied" }, refusal === undefined ? NO_LOAD : { refusal });
  }

  onReached(endpoint: LiveEndpoint, channel: Channel): void {
    this.#reach = undefined;
    // What is sought for is kept until it is sent.
    const request = this.#kept.head as Head;
    const upstream = new Http1Upstream(channel, this.#context);
    this.#lease = this.#client.link.opened(upstream, endpoint, request);
    this.#hear({ is: "reached" });
  }

  onUnreachable(refusal: Refusal): void {
    this.#reach = undefined;
    const load = { status: unreachableStatus(refusal), refusal };
    this.#hear({ is: "unreachable", mirrored: this.#mirrored }, load);
  }

  onTimer(): void {
    const endpoint = this.#lease?.endpoint;
    if (endpoint === undefined || this.#state.at !== "asking") return;
    this.#client.course.target.failed(endpoint, "timeout");
    const { responseHeadMs } = this.#context.timeouts;
    const detail = `${endpoint.address} port ${endpoint.port}: no answer within ${responseHeadMs} ms`;
    this.#hear({ is: "too-late" }, { status: 504, refusal: refuse("request-timeout", detail) });
  }

  onInterim(answer: AnswerHead): void {
    this.#hear({ is: "interim" }, { answer });
  }

  onHead(answer: AnswerHead, piece: Piece, mayFollow: boolean): boolean {
    const lease = this.#lease;
    if (lease === undefined) return true;
    const { endpoint } = lease;
    if (isUnserved(answer, endpoint) && this.#context.behindAgent(endpoint)) {
      const { course } = this.#client;
      course.target.failed(endpoint, "connect");
      const again = this.#kept.whole && this.#choice.another(course);
      const refusal = refuse("connect-refused", `${endpoint.address}: as its agent says`);
      const event: Event = { is: "unserved", again, mirrored: this.#mirrored };
      return this.#hear(event, { answer, piece, mayFollow, refusal });
    }
    judge(answer, lease, this.#client, this.#facts.tookMs);
    return this.#hear({ is: "head" }, { answer, piece, mayFollow });
  }

  onData(buffer: Uint8Array, start: number, end: number): boolean {
    this.#facts.answerGoesOn(end - start);
    return this.#hear({ is: "data" }, { piece: { buffer, start, end } });
  }

  onEnd(): void {
    this.#hear({ is: "end" });
  }

  onBytes(answer: AnswerHead, piece: Piece, carrier: Channel): void {
    if (this.#lease !== undefined) judge(answer, this.#lease, this.#client, this.#facts.tookMs);
    const upgrade = this.#facts.isTunnel(answer.status);
    this.#hear({ is: "bytes", upgrade }, { answer, piece, carrier });
  }

  onFailure(ending: Ending): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    const { upstream, endpoint } = lease;
    const { target } = this.#client.course;
    // A kept connection that the server closed meanwhile says nothing about the server.
    const stale = upstream.reused && !upstream.answered;
    if (!stale && this.#state.at !== "uploading") target.failed(endpoint, "reset");
    const mirrored = this.#client.link.mode === "bound" || ending.kind === "vanished";
    const repeatable = !mirrored && !upstream.answered && this.#isRepeatable(ending, lease);
    const again = repeatable && this.#choice.another(this.#client.course);
    this.#hear(
      { is: "failed", ending: ending.kind, again, mirrored },
      { ending, status: 502, refusal: failureRefusal(ending, endpoint) },
    );
  }

  onSent(): void {
    this.#client.resume();
  }

  /** Whether who can't be reached is told so by a reset: what a client of one server's own address would see. */
  get #mirrored(): boolean {
    return this.#client.link.mode === "bound" && !isToldByAgent(this.#client.course.plan);
  }

  /** Whether the request may be sent a second time though its server may have seen it. */
  #isRepeatable(ending: Ending, { pooled }: Lease): boolean {
    return mayRepeat(this.#state, ending, pooled) && this.#facts.repeatable && this.#kept.whole;
  }

  /** Whether it is worth keeping a whole request until its answer begins. */
  #mayAskAgain(endpoint: LiveEndpoint): boolean {
    if (this.#client.link.mode === "bound") return false;
    return this.#facts.repeatable || this.#context.behindAgent(endpoint);
  }

  /** Moves on and acts. Returns false when the other side shall wait. */
  #hear(event: Event, load: Load = NO_LOAD): boolean {
    const { state, actions } = transition(this.#state, event);
    this.#state = state;
    let ready = true;
    for (const action of actions) ready = this.#act(action, load) && ready;
    return ready;
  }

  #act(action: Action, load: Load): boolean {
    const { piece = EMPTY } = load;
    switch (action) {
      case "reach":
        this.#seek(load);
        return true;
      case "send":
        this.#send(load);
        return true;
      case "keep":
        // The client waits once the first piece is here: what still comes was read before that.
        if (!this.#kept.append(piece.buffer, piece.start, piece.end)) this.#overfull();
        return true;
      case "forward":
        this.#forward(piece, load.whole === true);
        return true;
      case "end-upload":
        this.#lease?.upstream.end();
        return true;
      case "deliver":
        this.#lease?.upstream.abortWhenSent();
        return true;
      case "abandon":
        this.#reach?.cancel();
        this.#reach = undefined;
        this.#lease?.upstream.abort();
        return true;
      case "forget":
        this.#kept.forget();
        return true;
      case "record":
        this.#record(load.refusal);
        return true;
      case "settle":
        this.#settle();
        return true;
      default:
        return this.#tell(action, load);
    }
  }

  /** What concerns the client. */
  #tell(action: ClientAction, load: Load): boolean {
    const client = this.#client;
    const { answer, piece = EMPTY } = load;
    switch (action) {
      case "resume-client":
        client.resume();
        return true;
      case "pass-interim":
        if (answer !== undefined) client.interim(answer);
        return true;
      case "pass-head":
        return answer === undefined || this.#passHead(answer, piece, load.mayFollow === true);
      case "pass-data":
        return client.data(piece.buffer, piece.start, piece.end);
      case "tie":
        this.#tie(load);
        return true;
      case "end-answer":
        client.end();
        return true;
      case "half-close":
        client.halfClose();
        return true;
      case "end-client":
        client.abort(END);
        return true;
      case "reset-client":
        client.abort(RESET);
        return true;
      case "refuse":
        this.#refuse(load);
        return true;
      case "leave":
        client.left();
        return true;
    }
  }

  #seek({ request, piece = EMPTY, whole }: Load): void {
    const { pod, course } = this.#client;
    const { plan, target, permit } = course;
    const first = this.#choice.take();
    if (request !== undefined && !this.#kept.keep(request, piece)) {
      this.#context.heads.give(request);
      if (first !== undefined) target.release(first);
      this.#overfull();
      return;
    }
    if (whole === false) this.#client.pause();
    const init = { pod, plan, permit, target, pick: this.#choice.pick, first };
    this.#reach = new Reach(this.#context, init, this);
    this.#reach.start();
  }

  #overfull(): void {
    this.cut(503, refuse("memory-limit", "the request has to wait, and can't be held"));
  }

  /** Sends the head with what came of the body: from where it is kept, or from where it was read. */
  #send({ request, piece = EMPTY }: Load): void {
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#facts.asked(request !== undefined);
    const whole = isWhole(this.#state);
    if (request !== undefined && whole && this.#mayAskAgain(lease.endpoint))
      this.#kept.keep(request, piece);
    const kept = this.#kept.head;
    const head = kept ?? request;
    if (head === undefined) return;
    const connection = this.#client.link.mode === "bound" ? "as-sent" : "kept";
    const body = kept === undefined ? piece : this.#kept.body;
    const asking = { head, body, whole, connection, kept: kept !== undefined } as const;
    const sent = lease.upstream.ask(this, asking);
    if (kept === undefined) this.#context.heads.give(head);
    else if (!whole || !this.#mayAskAgain(lease.endpoint)) this.#kept.forget();
    if (whole) this.#await();
    else if (!sent) this.#client.pause();
  }

  #forward({ buffer, start, end }: Piece, whole: boolean): void {
    const sent = this.#lease?.upstream.data(buffer, start, end, whole) ?? true;
    if (whole) this.#await();
    else if (!sent) this.#client.pause();
  }

  /** From now on it is the endpoint's turn. */
  #await(): void {
    const { responseHeadMs } = this.#context.timeouts;
    if (responseHeadMs <= 0 || this.#state.at !== "asking") return;
    this.#timer ??= new Timer(this);
    this.#context.timers.arm(this.#timer, responseHeadMs);
  }

  #passHead(answer: AnswerHead, piece: Piece, mayFollow: boolean): boolean {
    this.#context.timers.cancel(this.#timer);
    this.#facts.answer(answer.status, piece.end - piece.start);
    return this.#client.head(answer, piece, mayFollow);
  }

  #tie({ answer, piece = EMPTY, carrier }: Load): void {
    if (answer === undefined || carrier === undefined) return;
    this.#context.timers.cancel(this.#timer);
    this.#facts.tie(answer.status);
    this.#client.tie(answer, piece, carrier);
  }

  #refuse({ refusal, status = 503 }: Load): void {
    if (refusal === undefined) return;
    this.#facts.refuse(status, this.#client.refuse(status, refusal));
  }

  #record(refusal: Refusal | undefined): void {
    this.#facts.attempts += this.#choice.pick.tried.length;
    this.#facts.record(this.#lease?.endpoint, refusal);
  }

  #settle(): void {
    this.#context.timers.cancel(this.#timer);
    const lease = this.#lease;
    if (lease === undefined) return;
    this.#lease = undefined;
    this.#client.course.target.release(lease.endpoint);
    this.#client.link.settle(lease);
  }
}
