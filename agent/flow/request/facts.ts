/** What is noted of one request while it is carried, for its record and for the decisions about it. */

import type { Refusal } from "#model/refusal.ts";
import { isIdempotent, isTunnel } from "../../http/h1/body-kind.ts";
import { METHOD, type Method } from "../../http/h1/codes.ts";
import type { RequestHead } from "../../http/message.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { Recorder, RequestOutcome } from "../record.ts";
import { Answered } from "./answered.ts";
import { isProbe } from "./probe.ts";
import { Watched } from "./watched.ts";

/** What facts need of the worker. */
interface FactsContext {
  readonly recorder: Recorder;
  readonly now: () => number;
  readonly isOwnHost: (address: string) => boolean;
}

/** What a client's connection has carried: all of it, and what was not yet told. */
export interface Untold {
  readonly sent: number;
  readonly received: number;
  takeSent(): number;
  takeReceived(): number;
}

/** Whose request it is. */
interface Asker {
  readonly course: { readonly plan: Plan };
  readonly untold: Untold;
}

/** The facts of one request after the other. */
export class Facts {
  method: Method = METHOD.other;
  /** Another protocol was offered. */
  upgrade = false;
  /** The loop's clock, milliseconds. */
  startedAt = 0;
  /** Of the request's body. */
  requestBytes = 0;
  /** How often an endpoint was tried. */
  attempts = 0;
  readonly #answer: Answered = new Answered();
  readonly #context: FactsContext;
  readonly #asker: Asker;
  #probe = false;
  #watched: Watched | undefined;

  constructor(context: FactsContext, asker: Asker) {
    this.#context = context;
    this.#asker = asker;
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
  begin(head: RequestHead, bodyBytes: number): void {
    const { recorder, now, isOwnHost } = this.#context;
    const { plan } = this.#asker.course;
    const { source } = plan;
    this.method = head.method;
    this.upgrade = head.upgrade;
    this.startedAt = now();
    this.requestBytes = bodyBytes;
    this.attempts = 0;
    this.#answer.begin();
    // Pods are no kubelet: their requests are not looked at.
    this.#probe = "kind" in source && isProbe(head) && isOwnHost(source.address);
    const observed = recorder.observe(plan, head, this.#probe);
    this.#watched = observed && new Watched(observed, this.#asker.untold);
  }

  /** An endpoint is asked; `stood`: over a connection that stood already. Who is dialled counts with the choice. */
  asked(stood: boolean): void {
    if (stood) this.attempts++;
    this.#answer.asked(this.#context.now());
  }

  /** The client gets the endpoint's answer, with the first bytes of its body. */
  answer(status: number, bodyBytes: number): void {
    this.#answer.head(status, bodyBytes, this.#context.now());
  }

  /** The client gets more of the answer's body. */
  answerGoesOn(bytes: number): void {
    this.#answer.bytes += bytes;
  }

  /** The client gets an answer of the mesh itself. */
  refuse(status: number, bodyBytes: number): void {
    this.#answer.refused(status, bodyBytes);
  }

  /** Whether an answer of this status turns the connection into a tunnel. */
  isTunnel(status: number): boolean {
    return isTunnel(this.method, status);
  }

  /** The client gets this status, and its connection is tied to its server's. */
  tie(status: number): void {
    this.answer(status, 0);
    if (this.#watched !== undefined) this.#watched.tied = true;
  }

  /** A while has passed. */
  goesOn(endpoint: LiveEndpoint | undefined): void {
    if (this.#watched !== undefined)
      this.#watched.goesOn(this.#outcome(endpoint, undefined, "so far"));
  }

  /** What was tied has ended: only who observes waits for that. */
  untied(endpoint: LiveEndpoint | undefined, refusal: Refusal | undefined): void {
    if (this.#watched === undefined) return;
    this.#watched.ended(this.#outcome(endpoint, refusal, "so far"), refusal);
    this.#watched = undefined;
  }

  /** Tells what became of it. Of an upgrade that is known before its bytes have gone. */
  record(endpoint: LiveEndpoint | undefined, refusal: Refusal | undefined): void {
    const outcome = this.#outcome(endpoint, refusal, "for good");
    // First what is told of it alone: who sees it counted finds that.
    if (this.#watched?.tied === false) {
      this.#watched.ended(outcome, refusal);
      this.#watched = undefined;
    }
    this.#context.recorder.request(outcome);
  }

  /** `for good`: the connection's bytes are told with it. */
  #outcome(
    endpoint: LiveEndpoint | undefined,
    refusal: Refusal | undefined,
    told: "so far" | "for good",
  ): RequestOutcome {
    const { untold, course } = this.#asker;
    const { status, bytes, headMs } = this.#answer;
    return {
      plan: course.plan,
      endpoint,
      protocol: "http/1.1",
      probe: this.#probe,
      sentBytes: told === "for good" ? untold.takeSent() : 0,
      receivedBytes: told === "for good" ? untold.takeReceived() : 0,
      status,
      durationMs: this.tookMs,
      headMs,
      requestBytes: this.requestBytes,
      responseBytes: bytes,
      refusal,
      tied: this.#watched?.tiedBytes,
      attempts: Math.max(1, this.attempts),
    };
  }
}
