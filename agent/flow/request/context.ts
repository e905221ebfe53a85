/**
 * agent/flow/request is the story of HTTP requests on one client connection: session.ts reads requests one
 * after the other, exchange.ts carries one of them to an endpoint and its answer back. Same imports and
 * same prohibitions as agent/flow.
 *
 * This file: what all connections of a worker share that carry something.
 */

import type { Misspoken } from "#model/misdeclared.ts";
import type { Timer } from "../../engine/timers.ts";
import type { Dial } from "../../transport/dial.ts";
import type { HeadPool } from "../../transport/head-pool.ts";
import type { HeadSlots } from "../../transport/head-slots.ts";
import type { SocketAddress } from "../identify.ts";
import type { Plan } from "../plan.ts";
import type { Recorder } from "../record.ts";

/** Timers by the loop's clock. */
export interface Timers {
  arm(timer: Timer, delayMs: number): void;
  cancel(timer: Timer): void;
}

/** Time-outs of HTTP connections, milliseconds; 0 = none (see agent/config.ts). */
export interface HttpTimeouts {
  readonly headMs: number;
  readonly requestMs: number;
  readonly idleMs: number;
}

/** Collaborators and settings of HTTP connections. */
export interface HttpContext {
  readonly dial: Dial;
  readonly heads: HeadPool;
  /** Where requests are kept until they are answered. */
  readonly slots: HeadSlots;
  /** Where heads for the next hop are written: larger than any head, valid until the next write. */
  readonly scratch: Uint8Array;
  readonly timers: Timers;
  /** The loop's clock, milliseconds, as of this turn. */
  readonly now: () => number;
  /** A fine clock, milliseconds with fractions, for latencies. */
  readonly fineNow: () => number;
  readonly recorder: Recorder;
  readonly timeouts: HttpTimeouts;
  /**
   * To be asked when no known endpoint of a plan answers, before anything was sent to one: where else the connection may go,
   * the ClusterIP that was dialled, from the pod's own address; undefined = nowhere, refuse it. A yes is counted and warned
   * of, so ask once, and go there once: what fails there has failed as it would without a mesh.
   */
  readonly fallback: (plan: Plan) => SocketAddress | undefined;
  /** A connection of this plan, on a port that is declared HTTP, speaks something else. To be called once for each. */
  readonly misdeclared: (plan: Plan, spoken: Misspoken) => void;
}
