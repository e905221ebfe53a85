/** One request and its response: pick, send, retry when that is safe, answer, record. */

import { type Refusal, refuse } from "#model/refusal.ts";
import { isIdempotent, requestBody, responseBody } from "../../http/h1/body-kind.ts";
import { BODY, METHOD, type Method } from "../../http/h1/codes.ts";
import { Framer } from "../../http/h1/framer.ts";
import type { Head } from "../../http/h1/head.ts";
import { requestProblem } from "../../http/h1/problem.ts";
import { shortAnswer } from "../../http/h1/short-answer.ts";
import { connectionOption, isVerbatim, type Rewrite, writeHead } from "../../http/h1/write-head.ts";
import {
  Http1Upstream,
  type ResponseReceiver,
  type UpstreamFailure,
} from "../../transport/http1.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import { isGatewayFailure } from "../balance/outlier.ts";
import type { RequestLine } from "../record.ts";
import type { Client } from "./client.ts";
import type { HttpContext } from "./context.ts";
import { usableSince } from "./kept-connection.ts";
import { RequestPick } from "./pick-request.ts";
import { Replay } from "./replay.ts";
import { requestLine } from "./request-line.ts";
import { rewrite } from "./rewrite.ts";
import { isUnservedByPeer } from "./unserved.ts";
import { refusalOf, statusOf } from "./upstream-failure.ts";

/** The first try and at most this many more, each to another endpoint. */
const MAX_RETRIES = 2;

/** A piece of the shared read buffer. */
export interface Piece {
  readonly buffer: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Carries requests of one client connection, one at a time; the object is reused for the next one. */
export class Exchange implements ResponseReceiver {
  readonly #context: HttpContext;
  readonly #client: Client;
  readonly #framer: Framer = new Framer("request");
  /** The request as sent, while it may have to be sent again. */
  readonly #replay: Replay;
  /** The request is idempotent and whole in #replay. */
  #repeatable = false;
  #method: Method = METHOD.other;
  #minor = 1;
  #upgrade = false;
  #keepAlive = true;
  #upstream: Http1Upstream | undefined;
  #endpoint: LiveEndpoint | undefined;
  readonly #pick: RequestPick = new RequestPick();
  #status = 0;
  #startedAt = 0;
  #requestBytes = 0;
  #responseBytes = 0;
  #active = false;
  #line: RequestLine | undefined;

  constructor(context: HttpContext, client: Client) {
    this.#context = context;
    this.#client = client;
    this.#replay = new Replay(context.slots);
  }

  /** Whether a request is being carried. */
  get active(): boolean {
    return this.#active;
  }

  /** Whether the whole request body has been seen. */
  get requestDone(): boolean {
    return this.#framer.done;
  }

  /** Whether the answer's head has gone to the client. */
  get responded(): boolean {
    return this.#status !== 0;
  }

  /**
   * Begins with a parsed request head and the first bytes behind it. Returns the offset behind the bytes
   * that belong to this request; what follows is the next one.
   */
  begin(head: Head, piece: Piece): number {
    this.#reset(head);
    const kind = requestBody(head);
    if (kind < 0) return this.#refuseRequest(kind, piece);
    this.#framer.reset(kind, head.contentLength);
    const bodyEnd = this.#framer.eat(piece.buffer, piece.start, piece.end);
    if (bodyEnd < 0) return this.#refuseRequest(bodyEnd, piece);
    this.#requestBytes = head.end - head.start + bodyEnd - piece.start;
    const { target, plan } = this.#client;
    target.deposit();
    this.#pick.begin(head, target.hashKey, plan.clientAddress);
    const upstream = this.#choose();
    if (upstream === undefined) return bodyEnd;
    const sent = this.#send(upstream, head, piece, bodyEnd);
    if (!this.#framer.done && !(sent && upstream.opened)) this.#client.channel.pause();
    return bodyEnd;
  }

  /** More bytes of the request's body. Returns the offset behind those that belong to it. */
  body(buffer: Uint8Array, start: number, end: number): number {
    const bodyEnd = this.#framer.eat(buffer, start, end);
    if (bodyEnd < 0) {
      this.#upstream?.abandon();
      return this.#refuseRequest(bodyEnd, { buffer, start, end });
    }
    this.#requestBytes += bodyEnd - start;
    const upstream = this.#upstream;
    if (upstream === undefined) return bodyEnd;
    const sent = upstream.channel.write(buffer, start, bodyEnd);
    if (!sent && !this.#framer.done) this.#client.channel.pause();
    return bodyEnd;
  }

  /** The client half-closed inside its request body: the server shall see that, and may still answer. */
  clientEnded(): void {
    if (this.#framer.done) return;
    this.#keepAlive = false;
    this.#upstream?.channel.shutdown();
  }

  /** The client can take more bytes again. */
  clientDrained(): void {
    this.#upstream?.channel.resume();
  }

  /** Ends the exchange because the client is gone. */
  abort(): void {
    if (!this.#active) return;
    this.#upstream?.abandon();
    this.#record(undefined);
    this.#end();
  }

  /** The mesh itself ends the exchange: answers if nothing was answered yet, else cuts. */
  fail(status: number, refusal: Refusal): void {
    if (!this.#active) return;
    this.#upstream?.abandon();
    this.#refuse(status, refusal);
  }

  onSent(): void {
    if (!this.#repeatable && this.#upstream?.opened) this.#replay.clear();
    if (!this.#framer.done) this.#client.channel.resume();
  }

  onInterim(head: Head): void {
    const { scratch } = this.#context;
    const length = writeHead(head, rewrite("none"), scratch);
    this.#client.channel.write(scratch, 0, length);
  }

  onResponse(head: Head, buffer: Uint8Array, start: number, end: number): boolean {
    if (isUnservedByPeer(head) && this.#retryUnserved()) return true;
    this.#judge(head.status);
    this.#status = head.status;
    const asked = { method: this.#method, upgrade: this.#upgrade };
    if (responseBody(head, asked) === BODY.untilClose) this.#keepAlive = false;
    if (!this.#framer.done || this.#client.lastRequest) this.#keepAlive = false;
    this.#responseBytes = head.end - head.start + end - start;
    const how = this.#towardsClient(head);
    const { channel } = this.#client;
    if (head.bytes === buffer && head.end === start && isVerbatim(head, how))
      return channel.write(buffer, head.start, end);
    const { scratch } = this.#context;
    const length = writeHead(head, how, scratch);
    return channel.write2(scratch, 0, length, buffer, start, end);
  }

  onBody(buffer: Uint8Array, start: number, end: number): boolean {
    this.#responseBytes += end - start;
    return this.#client.channel.write(buffer, start, end);
  }

  onComplete(reusable: boolean): void {
    const upstream = this.#upstream;
    this.#record(undefined);
    const keep = this.#keepAlive && this.#framer.done;
    this.#end();
    if (upstream !== undefined) {
      upstream.idleSince = this.#context.now();
      if (reusable && this.#framer.done) upstream.pool.put(upstream);
      else upstream.channel.close();
    }
    this.#client.finished(keep);
  }

  onTunnel(head: Head, buffer: Uint8Array, start: number, end: number): void {
    const upstream = this.#upstream as Http1Upstream;
    this.#judge(head.status);
    this.#status = head.status;
    const { scratch } = this.#context;
    const length = writeHead(head, rewrite("none"), scratch);
    this.#client.channel.write2(scratch, 0, length, buffer, start, end);
    this.#responseBytes = head.end - head.start;
    this.#record(undefined);
    this.#end();
    this.#client.tunnel(upstream.channel);
  }

  onFailure(failure: UpstreamFailure): void {
    const upstream = this.#upstream;
    const endpoint = this.#endpoint;
    if (upstream === undefined || endpoint === undefined) return;
    // A kept connection that the server closed meanwhile says nothing about the server.
    const stale = failure.kind === "closed" && upstream.requests > 1 && !upstream.answered;
    if (!stale) {
      this.#client.target.failed(endpoint, failure.kind === "connect" ? "connect" : "reset");
      this.#pick.tried.push(endpoint);
    }
    const unsent = failure.kind === "connect";
    if (!upstream.answered && (unsent || this.#repeatable) && this.#retry()) return;
    this.#refuse(statusOf(failure), refusalOf(failure, endpoint));
  }

  /** Upstream connections are kept whatever this client wants of its own. */
  #towardsServer(head: Head): Rewrite {
    const keep = head.minor > 0 || head.keepAlive;
    return rewrite(connectionOption(head.minor, head.minor, keep));
  }

  #towardsClient(head: Head): Rewrite {
    return rewrite(connectionOption(this.#minor, head.minor, this.#keepAlive));
  }

  #reset(head: Head): void {
    this.#active = true;
    this.#method = head.method;
    this.#minor = head.minor;
    this.#upgrade = head.upgrade;
    this.#keepAlive = head.keepAlive;
    this.#status = 0;
    this.#startedAt = this.#context.fineNow();
    this.#requestBytes = 0;
    this.#responseBytes = 0;
    this.#repeatable = false;
    this.#line = this.#context.recorder.sampled() ? requestLine(head) : undefined;
  }

  /** Picks an endpoint and a connection to it; undefined when the request was refused instead. */
  #choose(): Http1Upstream | undefined {
    const picked = this.#client.target.pick(this.#pick);
    if (picked.kind === "refusal") {
      this.#refuse(503, picked);
      return undefined;
    }
    this.#endpoint = picked;
    const since = usableSince(this.#method, this.#framer.done, this.#context.now());
    const upstream = this.#client.poolOf(picked).take(since) ?? this.#connect(picked);
    this.#upstream = upstream;
    upstream.begin(this, this.#method, this.#upgrade);
    return upstream;
  }

  /** Sends the head and the body's first bytes; false when something was queued. */
  #send(upstream: Http1Upstream, head: Head, { buffer, start }: Piece, end: number): boolean {
    this.#repeatable = this.#framer.done && isIdempotent(this.#method) && !this.#upgrade;
    const how = this.#towardsServer(head);
    const keep = this.#repeatable || !upstream.opened;
    if (keep && this.#replay.write(head, how, buffer, start, end)) {
      if (!this.#framer.done)
        return upstream.channel.write(this.#replay.bytes, 0, this.#replay.length);
      upstream.channel.writeSoon(this.#replay.bytes, 0, this.#replay.length);
      return true;
    }
    const { scratch } = this.#context;
    const headEnd = writeHead(head, how, scratch);
    if (keep) this.#replay.keep(scratch, headEnd, buffer, start, end);
    return upstream.channel.write2(scratch, 0, headEnd, buffer, start, end);
  }

  #connect(endpoint: LiveEndpoint): Http1Upstream {
    const { plan, pod } = this.#client;
    const pool = this.#client.poolOf(endpoint);
    const upstream = new Http1Upstream(pool, this.#context);
    pool.connections++;
    const from = plan.origin.kind === "client-address" ? plan.origin.address : undefined;
    const { address, port } = endpoint;
    upstream.bind(this.#context.dial({ pod, address, port, from }, upstream));
    return upstream;
  }

  /** Sends the request again, elsewhere; false when that is not allowed or nobody is left. */
  #retry(): boolean {
    const { tried } = this.#pick;
    if (this.responded || tried.length > MAX_RETRIES || this.#replay.length === 0) return false;
    if (!this.#client.target.mayRetry()) return false;
    this.#release();
    const picked = this.#client.target.pick(this.#pick);
    if (picked.kind === "refusal") return false;
    this.#endpoint = picked;
    // Not from the pool: one stale connection is seldom alone.
    const upstream = this.#connect(picked);
    this.#upstream = upstream;
    upstream.begin(this, this.#method, this.#upgrade);
    upstream.channel.write(this.#replay.bytes, 0, this.#replay.length);
    return true;
  }

  /** The peer's agent says its application never saw the request. */
  #retryUnserved(): boolean {
    const endpoint = this.#endpoint;
    const upstream = this.#upstream;
    if (endpoint === undefined || upstream === undefined) return false;
    if (this.#replay.length === 0) return false;
    this.#client.target.failed(endpoint, "connect");
    this.#pick.tried.push(endpoint);
    if (!this.#retry()) return false;
    upstream.abandon();
    return true;
  }

  #judge(status: number): void {
    const endpoint = this.#endpoint;
    if (endpoint === undefined) return;
    if (isGatewayFailure(status)) this.#client.target.failed(endpoint, "gateway");
    else this.#client.target.answered(endpoint, this.#context.fineNow() - this.#startedAt);
  }

  #refuseRequest(problem: number, piece: Piece): number {
    const { status, reason, detail, rule } = requestProblem(problem);
    this.#keepAlive = false;
    this.#refuse(status, refuse(reason, detail, rule));
    return piece.end;
  }

  /** Answers with a short body, or cuts the connection when an answer has already begun. */
  #refuse(status: number, refusal: Refusal): void {
    const { channel } = this.#client;
    if (this.responded) {
      this.#record(refusal);
      this.#end();
      channel.reset();
      return;
    }
    const keep = this.#keepAlive && this.#framer.done && !this.#client.lastRequest;
    const answer = shortAnswer({
      status,
      reason: refusal.reason,
      close: !keep,
      bodiless: this.#method === METHOD.head,
    });
    this.#status = status;
    this.#responseBytes = answer.length;
    this.#record(refusal);
    channel.write(answer, 0, answer.length);
    this.#end();
    this.#client.finished(keep);
  }

  #record(refusal: Refusal | undefined): void {
    const { recorder, fineNow } = this.#context;
    recorder.request({
      plan: this.#client.plan,
      endpoint: this.#endpoint,
      status: this.#status,
      durationMs: fineNow() - this.#startedAt,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      refusal,
      line: this.#line,
      attempts: this.#pick.tried.length + 1,
    });
  }

  #end(): void {
    this.#release();
    this.#active = false;
    this.#upstream = undefined;
    this.#replay.clear();
  }

  #release(): void {
    if (this.#endpoint === undefined) return;
    this.#client.target.release(this.#endpoint);
    this.#endpoint = undefined;
  }
}
