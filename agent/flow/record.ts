/**
 * Stage record: what became of a connection or request, once each, also for refusals. Flow tells an
 * interface of its own; agent/telemetry's counters are behind it in production, a list in tests.
 */

import type { Refusal } from "#model/refusal.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { Plan } from "./plan.ts";

/** What a request asked for, as text; only taken from requests that get an access-log line. */
export interface RequestLine {
  readonly method: string;
  readonly host: string;
  /** Without the query: queries hold secrets. */
  readonly path: string;
}

/** Of a request that was refused for its head: nothing in it can be trusted. */
export const UNREAD: RequestLine = { method: "", host: "", path: "" };

/** One finished HTTP request. */
export interface RequestOutcome {
  readonly plan: Plan;
  /** Who answered; undefined when the mesh did. */
  readonly endpoint: LiveEndpoint | undefined;
  /** The status the client got, 100 to 999; 0 when the connection ended before any. */
  readonly status: number;
  /** From the request head's arrival to the response's last byte, milliseconds. */
  readonly durationMs: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly refusal: Refusal | undefined;
  /** Set when the request was sampled for the access log; `UNREAD` when its head could not be read. */
  readonly line?: RequestLine | undefined;
  /** Endpoints tried, the last one included. */
  readonly attempts?: number | undefined;
}

/** The counters of one TCP connection, fetched once at its start. */
export interface ConnectionRecord {
  /** Bytes that went from the client to the server. */
  sent(bytes: number): void;
  /** Bytes that went from the server to the client. */
  received(bytes: number): void;
  /** The connection ended, by itself or refused. Exactly once. */
  closed(refusal: Refusal | undefined): void;
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
  /** A connection was refused before it could be planned. */
  refused(direction: "outbound" | "inbound" | "unknown", refusal: Refusal): void;
  request(outcome: RequestOutcome): void;
  /** Whether the request that begins now shall get an access-log line. */
  sampled(): boolean;
}
