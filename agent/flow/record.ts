/**
 * Stage record: what became of a connection or request, once each, also for refusals. Flow tells an
 * interface of its own; agent/telemetry's counters are behind it in production, a list in tests.
 */

import type { Refusal } from "#model/refusal.ts";
import type { Meter } from "../engine/leg.ts";
import type { RequestHead } from "../http/message.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { Identified } from "./identify.ts";
import type { Reporter } from "./labels.ts";
import type { Plan } from "./plan.ts";

/** What a request asked for, as text; only taken from requests that are observed. */
export interface RequestLine {
  readonly method: string;
  readonly host: string;
  /** Without the query: queries hold secrets. */
  readonly path: string;
}

/** Of a request that was refused for its head: nothing in it can be trusted. */
export const UNREAD: RequestLine = { method: "", host: "", path: "" };

/** What a request was spoken in: `http/1.1` is all of HTTP/1. */
export type Protocol = "http/1.1";

/** One HTTP request so far. */
export interface RequestProgress {
  readonly plan: Plan;
  /** Who answered; undefined when the mesh did. */
  readonly endpoint: LiveEndpoint | undefined;
  /** The status the client got, 100 to 999; 0 when the connection ended before any. */
  readonly status: number;
  /** From the request head's arrival to the response's last byte, milliseconds. */
  readonly durationMs: number;
  /** From when its head went to the endpoint to the answer's head, milliseconds; undefined when no endpoint's head came. */
  readonly headMs: number | undefined;
  readonly protocol: Protocol;
  /** It is kubelet's probe: nobody's request. */
  readonly probe: boolean;
  /** Bytes of the bodies, as framed on the wire; 0 for what an upgrade carried. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  /** Bytes both ways since the request's head, of one whose connection is tied to its server's; only when it is observed. */
  readonly tied?: { readonly sent: number; readonly received: number } | undefined;
  /** Endpoints tried, the last one included. */
  readonly attempts?: number | undefined;
}

/** One finished HTTP request. */
export interface RequestOutcome extends RequestProgress {
  /** Bytes that the client's connection carried since it was told of last, heads and framing included. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly refusal: Refusal | undefined;
}

/** A request of which somebody wants more than its counts. */
export interface Observation {
  /** It goes on: called once a second or so. */
  goesOn(progress: RequestProgress): void;
  /** It has ended, its bytes too. Exactly once. */
  ended(progress: RequestProgress, refusal: Refusal | undefined): void;
}

/** How long it took to reach an endpoint, milliseconds. */
export interface Took {
  /** From the beginning of the search, other endpoints that were tried included. */
  readonly waitMs: number;
  /** From dialling the one that was reached. */
  readonly connectMs: number;
}

/** The counters of one TCP connection, fetched once at its start; what the kernel knows of the client's leg is told it, too. */
export interface ConnectionRecord extends Meter {
  /**
   * Bytes that went from the client to the server, and back, since it was told last: to and from `endpoint`, or from the
   * one that the connection was reached for.
   */
  carried(sent: number, received: number, endpoint?: LiveEndpoint): void;
  /** The connection ended, by itself or refused. Exactly once. */
  closed(refusal: Refusal | undefined): void;
}

/** A connection that was turned away before it could be planned. */
export interface Turned {
  readonly reporter: Reporter;
  readonly refusal: Refusal;
  /** Who would have talked to whom; undefined when that is what was not known. */
  readonly identified: Identified | undefined;
}

/** Where flow reports to. */
export interface Recorder {
  /**
   * A connection was accepted and planned. `endpoint` is undefined for HTTP, where each request has its own and its
   * own line in the access log, and when none was reached.
   */
  connection(
    plan: Plan,
    endpoint: LiveEndpoint | undefined,
    protocol: "bytes" | "http",
  ): ConnectionRecord;
  /** A connection to `endpoint` was made, for this plan first. Who counts what the kernel knows of it, as long as it lasts. */
  reached(plan: Plan, endpoint: LiveEndpoint, took: Took): Meter;
  /** A connection was refused before it could be planned. */
  refused(turned: Turned): void;
  /** A connection or request was tried at another endpoint, or was not for want of budget. */
  retried(plan: Plan, result: "sent" | "no-budget"): void;
  request(outcome: RequestOutcome): void;
  /**
   * A request begins. `head`: undefined when it could not be read; it is told of the trace that the request is in from now
   * on. `probe`: it is kubelet's, no part of any trace. Undefined: nobody wants more of it than its counts.
   */
  observe(plan: Plan, head: RequestHead | undefined, probe: boolean): Observation | undefined;
}
