/** What is noted of one request while it is carried, for its record and for the decisions about it. */

import type { Refusal } from "#model/refusal.ts";
import { isIdempotent } from "../../http/h1/body-kind.ts";
import { METHOD, type Method } from "../../http/h1/codes.ts";
import type { RequestHead } from "../../http/message.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { Recorder, RequestLine } from "../record.ts";
import { isProbe } from "./probe.ts";
import { requestLine } from "./request-line.ts";

/** What facts need of the worker. */
interface FactsContext {
  readonly recorder: Recorder;
  readonly now: () => number;
  readonly isOwnHost: (address: string) => boolean;
}

/** What a client's connection has carried and not yet told. */
export interface Untold {
  takeSent(): number;
  takeReceived(): number;
}

/** What became of a request, beside its facts. */
interface Outcome {
  readonly plan: Plan;
  readonly endpoint: LiveEndpoint | undefined;
  readonly refusal: Refusal | undefined;
  readonly untold: Untold;
}

/** The facts of one request after the other. */
export class Facts {
  method: Method = METHOD.other;
  /** Another protocol was offered. */
  upgrade = false;
  /** The status that the client got; 0 before. */
  status = 0;
  /** The loop's clock, milliseconds. */
  startedAt = 0;
  /** Of the bodies. */
  requestBytes = 0;
  responseBytes = 0;
  /** How often an endpoint was tried. */
  attempts = 0;
  /** From when an endpoint was asked last to its answer's head, milliseconds; undefined before. */
  #headMs: number | undefined;
  #askedAt = 0;
  readonly #context: FactsContext;
  #probe = false;
  #line: RequestLine | undefined;

  constructor(context: FactsContext) {
    this.#context = context;
  }

  /** Asking twice has the same effect as once (RFC 9110 section 9.2.2). */
  get repeatable(): boolean {
    return isIdempotent(this.method) && !this.upgrade;
  }

  /** Since the request came, milliseconds. */
  get tookMs(): number {
    return this.#context.now() - this.startedAt;
  }

  /** A request has come, with the first bytes of its body. */
  begin(head: RequestHead, { source }: Plan, bodyBytes: number): void {
    const { recorder, now, isOwnHost } = this.#context;
    this.method = head.method;
    this.upgrade = head.upgrade;
    this.status = 0;
    this.startedAt = now();
    this.requestBytes = bodyBytes;
    this.responseBytes = 0;
    this.attempts = 0;
    this.#headMs = undefined;
    // Pods are no kubelet: their requests are not looked at.
    this.#probe = "kind" in source && isProbe(head) && isOwnHost(source.address);
    this.#line = recorder.sampled() ? requestLine(head) : undefined;
  }

  /** An endpoint is asked; `stood`: over a connection that stood already. Who is dialled counts with the choice. */
  asked(stood: boolean): void {
    if (stood) this.attempts++;
    this.#askedAt = this.#context.now();
  }

  /** The client gets the endpoint's answer, with the first bytes of its body. */
  answer(status: number, bodyBytes: number): void {
    this.refuse(status, bodyBytes);
    this.#headMs = this.#context.now() - this.#askedAt;
  }

  /** The client gets an answer of the mesh itself. */
  refuse(status: number, bodyBytes: number): void {
    this.status = status;
    this.responseBytes = bodyBytes;
  }

  /** Tells what became of it. */
  record({ plan, endpoint, refusal, untold }: Outcome): void {
    this.#context.recorder.request({
      plan,
      endpoint,
      protocol: "http/1.1",
      probe: this.#probe,
      sentBytes: untold.takeSent(),
      receivedBytes: untold.takeReceived(),
      status: this.status,
      durationMs: this.tookMs,
      headMs: this.#headMs,
      requestBytes: this.requestBytes,
      responseBytes: this.responseBytes,
      refusal,
      line: this.#line,
      attempts: Math.max(1, this.attempts),
    });
  }
}
