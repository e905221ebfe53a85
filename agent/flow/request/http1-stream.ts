/** A request of an HTTP/1.1 client connection, as the exchange sees it: answers are written as its client reads them. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import { isTunnel } from "../../http/h1/body-kind.ts";
import { METHOD, type Method } from "../../http/h1/codes.ts";
import { Head } from "../../http/h1/head.ts";
import { shortAnswer, shortBodyBytes } from "../../http/h1/short-answer.ts";
import {
  connectionOption,
  isVerbatim,
  NO_LINES,
  type Rewrite,
  writeHead,
} from "../../http/h1/write-head.ts";
import type { AnswerHead, Ending, Piece } from "../../http/message.ts";
import type { Course } from "../course.ts";
import type { LocalPod } from "../pod.ts";
import type { Client } from "./client.ts";
import type { Untold } from "./facts.ts";
import type { Link } from "./link.ts";
import { dialledInVain, hideClaims } from "./unserved.ts";

/** The connection that a stream is part of. */
export interface StreamConnection {
  readonly channel: Channel;
  readonly pod: LocalPod;
  readonly course: Course;
  readonly link: Link;
  readonly untold: Untold;
  /** Whether the current request is whole. */
  readonly requestWhole: boolean;
  /** No new requests are wanted: the agent drains or the client has half-closed. */
  readonly lastRequest: boolean;
  /** A byte moved. */
  touch(): void;
  /** The exchange over this client's end is done: nothing more is delivered. */
  left(): void;
  /** The exchange is over; `keep`: the connection can take another request. */
  finished(keep: boolean): void;
  /** The connection ends as its server's did. */
  mirror(ending: Ending): void;
  /** From here on both channels carry bytes. */
  tied(upstream: Channel): void;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** One object for all heads of a worker: written and read within one call. */
const REWRITE: Rewrite = { connection: "none", extra: NO_LINES };

/** The stream; one object for all requests of a connection. */
export class Http1Stream implements Client {
  readonly #connection: StreamConnection;
  readonly #scratch: Uint8Array;
  /** HTTP/1.`minor` of the request. */
  #minor = 1;
  /** Whether client and answers so far allow another request. */
  #keepAlive = true;
  #method: Method = METHOD.other;

  constructor(connection: StreamConnection, scratch: Uint8Array) {
    this.#connection = connection;
    this.#scratch = scratch;
  }

  get pod(): LocalPod {
    return this.#connection.pod;
  }

  get course(): Course {
    return this.#connection.course;
  }

  get link(): Link {
    return this.#connection.link;
  }

  get holder(): Channel {
    return this.#connection.channel;
  }

  get untold(): Untold {
    return this.#connection.untold;
  }

  /** A request begins. */
  begin(head: Head): void {
    this.#minor = head.minor;
    this.#keepAlive = head.keepAlive;
    this.#method = head.method;
  }

  /** What comes of the request can't be understood any more: the connection ends with its answer. */
  last(): void {
    this.#keepAlive = false;
  }

  interim(answer: AnswerHead): void {
    const length = writeHead(h1(answer), rewrite("none"), this.#scratch);
    this.#connection.channel.write(this.#scratch, 0, length);
  }

  head(answer: AnswerHead, piece: Piece, mayFollow: boolean): boolean {
    const { link, lastRequest } = this.#connection;
    // A client that is its server's alone hears of the end that its server announces.
    if (lastRequest || (link.mode === "bound" && !mayFollow)) this.#keepAlive = false;
    return this.#write(answer, piece, false);
  }

  data(buffer: Uint8Array, start: number, end: number): boolean {
    this.#connection.touch();
    return this.#connection.channel.write(buffer, start, end);
  }

  left(): void {
    this.#connection.left();
  }

  end(): void {
    // What was promised for the end of the turn goes now: the next request must not wait for it.
    this.#connection.channel.write(NOTHING, 0, 0);
    this.#connection.finished(this.#keepAlive);
  }

  halfClose(): void {
    this.#keepAlive = false;
    this.#connection.channel.shutdown();
  }

  abort(ending: Ending): void {
    this.#connection.mirror(ending);
  }

  pause(): void {
    this.#connection.channel.pause();
  }

  resume(): void {
    this.#connection.channel.resume();
  }

  refuse(status: number, refusal: Refusal): number {
    const { channel, course, requestWhole, lastRequest } = this.#connection;
    this.#keepAlive = this.#keepAlive && requestWhole && !lastRequest;
    const { reason } = refusal;
    const close = !this.#keepAlive;
    const bodiless = this.#method === METHOD.head;
    const dialled = dialledInVain(course.plan, reason);
    const answer = shortAnswer({ status, reason, close, bodiless, dialled });
    // At the end of the turn: who has the answer finds it recorded.
    channel.writeSoon(answer, 0, answer.length);
    return bodiless ? 0 : shortBodyBytes(reason);
  }

  tie(answer: AnswerHead, piece: Piece, carrier: Channel): void {
    // A tunnel ends the HTTP of this connection; any other answer without an end of its own says that it closes.
    const tunnel = isTunnel(this.#method, answer.status);
    if (!tunnel) this.#keepAlive = false;
    this.#write(answer, piece, tunnel);
    this.#connection.tied(carrier);
  }

  #write(answer: AnswerHead, { buffer, start, end }: Piece, tunnel: boolean): boolean {
    const head = h1(answer);
    const { channel, course } = this.#connection;
    if (course.plan.direction === "inbound") hideClaims(head);
    const option = connectionOption(this.#minor, head.minor, this.#keepAlive);
    const how = rewrite(tunnel ? "none" : option);
    if (head.bytes === buffer && head.end === start && isVerbatim(head, how))
      return channel.write(buffer, head.start, end);
    const length = writeHead(head, how, this.#scratch);
    return channel.write2(this.#scratch, 0, length, buffer, start, end);
  }
}

function rewrite(connection: Rewrite["connection"]): Rewrite {
  REWRITE.connection = connection;
  return REWRITE;
}

/** Answers come from HTTP/1.1 servers only, so far. */
function h1(answer: AnswerHead): Head {
  if (answer instanceof Head) return answer;
  throw new Error("an answer that is not HTTP/1.1 reached an HTTP/1.1 client");
}
