/** What is noted of one request while it is carried, for its record and for the decisions about it. */

import type { Refusal } from "#model/refusal.ts";
import { isIdempotent } from "../../http/h1/body-kind.ts";
import { METHOD, type Method } from "../../http/h1/codes.ts";
import type { RequestHead } from "../../http/message.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { Recorder, RequestLine } from "../record.ts";
import { requestLine } from "./request-line.ts";

/** What facts need of the worker. */
interface FactsContext {
  readonly recorder: Recorder;
  readonly fineNow: () => number;
}

/** The facts of one request after the other. */
export class Facts {
  method: Method = METHOD.other;
  /** Another protocol was offered. */
  upgrade = false;
  /** The status that the client got; 0 before. */
  status = 0;
  /** Fine clock, milliseconds. */
  startedAt = 0;
  requestBytes = 0;
  responseBytes = 0;
  /** How often an endpoint was tried. */
  attempts = 0;
  #line: RequestLine | undefined;

  /** Asking twice has the same effect as once (RFC 9110 section 9.2.2). */
  get repeatable(): boolean {
    return isIdempotent(this.method) && !this.upgrade;
  }

  /** A request has come. */
  begin(head: RequestHead, { recorder, fineNow }: FactsContext): void {
    this.method = head.method;
    this.upgrade = head.upgrade;
    this.status = 0;
    this.startedAt = fineNow();
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.attempts = 0;
    this.#line = recorder.sampled() ? requestLine(head) : undefined;
  }

  /** Tells what became of it. */
  record(
    { recorder, fineNow }: FactsContext,
    plan: Plan,
    endpoint: LiveEndpoint | undefined,
    refusal: Refusal | undefined,
  ): void {
    recorder.request({
      plan,
      endpoint,
      status: this.status,
      durationMs: fineNow() - this.startedAt,
      requestBytes: this.requestBytes,
      responseBytes: this.responseBytes,
      refusal,
      line: this.#line,
      attempts: Math.max(1, this.attempts),
    });
  }
}
