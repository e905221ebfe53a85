/**
 * agent/flow/request is the story of a request, file by file: session.ts has the client connection, reader.ts reads
 * requests out of it, http1-stream.ts is one of them as the exchange sees it; exchange.ts carries it as transition.ts
 * says; kept-request.ts has what may be sent again, link.ts says over whose connection, login.ts when that is one
 * client's for good, unserved.ts and upstream-failure.ts read what went wrong, judge.ts what an answer says of its
 * endpoint; facts.ts notes the outcome, with answered.ts and, for who wants more, watched.ts. Same imports and same
 * prohibitions as agent/flow.
 *
 * This file: what all connections of a worker share that carry something.
 */

import type { Misspoken } from "#model/misdeclared.ts";
import type { HeadPool } from "../../transport/head-pool.ts";
import type { HeadSlots } from "../../transport/head-slots.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import type { ReachContext } from "../reach.ts";
import type { Recorder } from "../record.ts";
import type { Tie } from "../tie.ts";

/** Time-outs of connections, milliseconds; 0 = none (see agent/config.ts). */
export interface FlowTimeouts {
  readonly connectMs: number;
  readonly headMs: number;
  readonly responseHeadMs: number;
  readonly idleMs: number;
}

/** Collaborators and settings of HTTP connections. */
export interface HttpContext extends ReachContext {
  readonly heads: HeadPool;
  /** Where requests are kept until they are answered. */
  readonly slots: HeadSlots;
  /** Where heads for the next hop are written: larger than any head, valid until the next write. */
  readonly scratch: Uint8Array;
  readonly recorder: Recorder;
  readonly timeouts: FlowTimeouts;
  /** Whether the endpoint's agent, on another node, speaks for it, and only the agent does. */
  readonly behindAgent: (endpoint: LiveEndpoint) => boolean;
  /** Whether an address is one of this node's own: what comes from there may be kubelet. */
  readonly isOwnHost: (address: string) => boolean;
  /** For connections that end as bytes, once an answer has no end of its own. */
  readonly tie: Tie;
  /** Whether the agent is shutting down: what was accepted in the last moment is served, but only once. */
  readonly draining: () => boolean;
  /** A connection of this plan, on a port that is declared HTTP, speaks something else. To be called once for each. */
  readonly misdeclared: (plan: Plan, spoken: Misspoken) => void;
}
