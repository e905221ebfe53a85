/** One client connection that speaks HTTP/1.1: reads requests one after the other and has each carried. */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Channel, ChannelHandler, CloseCause } from "../../engine/channel.ts";
import { Timer, type TimerHandler } from "../../engine/timers.ts";
import type { Head } from "../../http/h1/head.ts";
import { parseRequest } from "../../http/h1/parse-head.ts";
import { requestProblem } from "../../http/h1/problem.ts";
import { shortAnswer } from "../../http/h1/short-answer.ts";
import { HeldBytes } from "../../transport/held-bytes.ts";
import type { Http1Upstream } from "../../transport/http1.ts";
import { UpstreamPool } from "../../transport/pool.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { Carried, LocalPod } from "../pod.ts";
import { type ConnectionRecord, UNREAD } from "../record.ts";
import type { Route } from "../route.ts";
import type { Target } from "../target.ts";
import type { Tie } from "../tie.ts";
import type { Client } from "./client.ts";
import type { HttpContext } from "./context.ts";
import { Exchange } from "./exchange.ts";

/** What makes a session what it is. */
export interface SessionInit {
  readonly channel: Channel;
  readonly pod: LocalPod;
  readonly record: ConnectionRecord;
  readonly route: Route;
  /** The route under what is known now, or why the connection must not go on. */
  readonly reroute: (route: Route) => Route | Refusal;
  readonly tie: Tie;
  readonly ended: (session: HttpSession) => void;
  /** The agent is shutting down: the first request is the last. */
  readonly draining: boolean;
}

/**
 * `reading`: between requests or inside a head. `exchanging`: a request is being carried. `tunnel`: both sides agreed
 * on another protocol and bytes are relayed. `over`: nothing more.
 */
type Phase = "reading" | "exchanging" | "tunnel" | "over";

/**
 * How long a connection that nobody has told of the agent's end may wait for one more request, which is then answered
 * with `Connection: close`. To end it at once would meet requests that are on their way already.
 */
const LAST_REQUEST_MS = 5_000;

/** The session. Its channel's handler; its exchange's client. */
export class HttpSession implements ChannelHandler, Client, Carried, TimerHandler {
  readonly channel: Channel;
  readonly pod: LocalPod;
  readonly #context: HttpContext;
  readonly #init: SessionInit;
  readonly #exchange: Exchange;
  readonly #timer: Timer;
  readonly #held: HeldBytes = new HeldBytes();
  /** Connections of a fixed destination belong to this client alone: the server sees its address. */
  #own: UpstreamPool<Http1Upstream> | undefined;
  #route: Route;
  #head: Head | undefined;
  #phase: Phase = "reading";
  #sent = 0;
  #received = 0;
  #ended = false;
  #draining: boolean;
  #cutBy: Refusal | undefined;
  #pumping = false;

  constructor(context: HttpContext, init: SessionInit) {
    this.#context = context;
    this.#init = init;
    this.#route = init.route;
    this.#draining = init.draining;
    this.channel = init.channel;
    this.pod = init.pod;
    this.#exchange = new Exchange(context, this);
    this.#timer = new Timer(this);
    this.#arm(this.#idleTimeout());
  }

  get plan(): Plan {
    return this.#route.plan;
  }

  get target(): Target {
    return this.#route.target;
  }

  get lastRequest(): boolean {
    return this.#draining || (this.#ended && this.#held.length === 0);
  }

  poolOf(endpoint: LiveEndpoint): UpstreamPool<Http1Upstream> {
    if (this.plan.nextHop.kind === "balanced") return this.pod.pool(endpoint);
    this.#own ??= new UpstreamPool();
    return this.#own;
  }

  onOpen(): void {
    // Accepted channels are open from the start.
  }

  onData(_channel: Channel, buffer: Uint8Array, start: number, end: number): void {
    if (this.#phase === "over") return;
    let from = start;
    if (this.#exchange.active) {
      this.#arm(this.#exchangeTimeout());
      if (!this.#exchange.requestDone) from = this.#exchange.body(buffer, start, end);
      if (from < end) this.#hold(buffer, from, end);
      return;
    }
    if (this.#held.length > 0) {
      this.#held.append(buffer, from, end);
      this.#pump();
      return;
    }
    from = this.#request(buffer, from, end);
    if (from < end && !this.#isOver()) this.#hold(buffer, from, end);
    this.#pump();
  }

  onEnd(): void {
    this.#ended = true;
    if (this.#exchange.active) this.#exchange.clientEnded();
    else this.#close();
  }

  onDrain(): void {
    this.#exchange.clientDrained();
  }

  onClose(_channel: Channel, cause: CloseCause): void {
    this.#finish();
    this.#exchange.abort();
    this.#own?.retire();
    this.#ending(
      cause.kind === "memory-limit"
        ? refuse("memory-limit", "the pod's buffer budget is spent")
        : this.#cutBy,
    );
  }

  onTimer(): void {
    if (this.#exchange.active) {
      if (this.#exchange.responded || this.#context.timeouts.requestMs === 0)
        this.#exchange.fail(504, refuse("idle-timeout", "nothing was sent either way"));
      else
        this.#exchange.fail(504, refuse("request-timeout", "the endpoint did not answer in time"));
      return;
    }
    if (this.#held.length > 0)
      this.#refuse(408, refuse("head-timeout", "the request head was not finished in time"));
    else this.#close();
  }

  /** The exchange is over. */
  finished(keep: boolean): void {
    if (this.#phase === "over") return;
    this.#phase = "reading";
    if (!keep) {
      this.#close();
      return;
    }
    this.#arm(this.#idleTimeout());
    if (this.#held.length > 0) this.#pump();
    else if (this.#ended) this.#close();
    this.channel.resume();
  }

  tunnel(upstream: Channel): void {
    this.#finish();
    if (this.#held.length > 0) upstream.write(this.#held.bytes, 0, this.#held.length);
    this.#phase = "tunnel";
    this.#init.tie(this.channel, upstream, {
      onEnd: (end) => {
        this.#phase = "over";
        this.#ending(
          end === "idle" ? refuse("idle-timeout", "nothing was sent either way") : this.#cutBy,
        );
      },
    });
  }

  drain(): void {
    this.#draining = true;
    if (this.#isIdle()) this.#arm(this.#idleTimeout());
  }

  cut(why?: Refusal): void {
    if (why !== undefined && this.#exchange.active) {
      this.#exchange.fail(503, why);
      return;
    }
    if (this.#isIdle()) {
      this.#close();
      return;
    }
    this.#cutBy = why;
    this.channel.reset();
  }

  account(): void {
    const { bytesIn, bytesOut } = this.channel;
    this.#init.record.sent(bytesIn - this.#sent);
    this.#init.record.received(bytesOut - this.#received);
    this.#sent = bytesIn;
    this.#received = bytesOut;
  }

  describe(): Readonly<Record<string, string | number>> {
    const { direction, destination, clientAddress } = this.plan;
    return {
      protocol: "http",
      direction,
      client: clientAddress,
      destination: `${destination.address} ${destination.port}`,
      phase: this.#exchange.active ? "exchanging" : this.#phase,
    };
  }

  /** Works through what is held: pipelined requests, or a head that came in pieces. */
  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#held.length > 0 && !this.#exchange.active && !this.#isOver()) {
      const before = this.#held.length;
      const from = this.#request(this.#held.bytes, 0, before);
      // The exchange may have looked at its part of the held bytes only: keep the rest.
      if (from > 0) this.#held.replace(this.#held.bytes, from, this.#held.length);
      if (this.#held.length === 0) this.#held.clear();
      if (from === 0) break;
    }
    this.#pumping = false;
    if (this.#ended && !this.#exchange.active && !this.#isOver()) this.#close();
  }

  /** Parses one head and begins its exchange. Returns the offset behind what was used. */
  #request(buffer: Uint8Array, start: number, end: number): number {
    const head = this.#head ?? this.#context.heads.take();
    this.#head = head;
    head.feed(buffer, start, end);
    const at = parseRequest(head);
    if (at === 0) {
      this.#arm(this.#context.timeouts.headMs);
      return start;
    }
    if (at < 0) {
      const { status, reason, detail, rule } = requestProblem(at);
      this.#refuse(status, refuse(reason, detail, rule));
      return end;
    }
    const route = this.#init.reroute(this.#route);
    if ("kind" in route) {
      this.#refuse(route.reason === "denied" ? 403 : 503, route);
      return end;
    }
    this.#route = route;
    this.#phase = "exchanging";
    this.#arm(this.#exchangeTimeout());
    const used = this.#exchange.begin(head, { buffer, start: at, end });
    this.#giveHead();
    return used;
  }

  #hold(buffer: Uint8Array, start: number, end: number): void {
    this.#held.append(buffer, start, end);
    // One read's worth of pipelined bytes is enough until the current request is done.
    if (this.#exchange.active) this.channel.pause();
  }

  #exchangeTimeout(): number {
    const { requestMs, idleMs } = this.#context.timeouts;
    return requestMs > 0 && !this.#exchange.responded ? requestMs : idleMs;
  }

  #refuse(status: number, refusal: Refusal): void {
    const answer = shortAnswer({ status, reason: refusal.reason, close: true, bodiless: false });
    this.channel.write(answer, 0, answer.length);
    this.#context.recorder.request({
      plan: this.plan,
      endpoint: undefined,
      status,
      durationMs: 0,
      requestBytes: this.#held.length,
      responseBytes: answer.length,
      refusal,
      line: this.#context.recorder.sampled() ? UNREAD : undefined,
    });
    this.#close();
  }

  #ending(refusal: Refusal | undefined): void {
    this.account();
    this.#init.record.closed(refusal);
    this.#init.ended(this);
  }

  #close(): void {
    this.#finish();
    this.channel.close();
  }

  /** Between requests: nothing of the next one has come. */
  #isIdle(): boolean {
    return this.#phase === "reading" && !this.#exchange.active && this.#held.length === 0;
  }

  #idleTimeout(): number {
    const { idleMs } = this.#context.timeouts;
    if (!this.#draining) return idleMs;
    return idleMs > 0 ? Math.min(idleMs, LAST_REQUEST_MS) : LAST_REQUEST_MS;
  }

  #isOver(): boolean {
    return this.#phase === "over";
  }

  #finish(): void {
    this.#phase = "over";
    this.#context.timers.cancel(this.#timer);
    this.#giveHead();
  }

  #giveHead(): void {
    if (this.#head === undefined) return;
    this.#context.heads.give(this.#head);
    this.#head = undefined;
  }

  #arm(delayMs: number): void {
    if (delayMs > 0) this.#context.timers.arm(this.#timer, delayMs);
    else this.#context.timers.cancel(this.#timer);
  }
}
