/** What a session is made of, and where it may stand. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import type { ByteCount } from "../byte-count.ts";
import type { Course } from "../course.ts";
import type { Connection, LocalPod } from "../pod.ts";
import type { CutTie } from "../tie.ts";
import type { FlowTimeouts } from "./context.ts";

/** What makes a session what it is. */
export interface SessionInit {
  readonly channel: Channel;
  readonly pod: LocalPod;
  readonly count: ByteCount;
  readonly course: Course;
  readonly story: SessionStory;
}

/** What the story of the connection answers to its session. */
export interface SessionStory {
  /** The course under what is known now, or why the connection must not go on. */
  correct(course: Course): Course | Refusal;
  /** It is over. */
  ended(session: Connection): void;
  /** Its first bytes are no HTTP: the connection is carried as bytes instead. */
  notHttp(session: Connection, bytes: Uint8Array): void;
}

/** Where the connection stands. */
export type SessionState =
  /** Between requests or inside a head. `first`: nothing was read yet. */
  | { readonly at: "reading"; readonly first: boolean }
  /** `begun`: the exchange has taken its request; until then it may end at once. */
  | { readonly at: "exchanging"; readonly begun: boolean }
  /** Both sides carry bytes; `cut` ends them. */
  | { readonly at: "tied"; readonly cut: CutTie }
  /** The client is gone; what it sent is still delivered. */
  | { readonly at: "leaving"; readonly why: Refusal | undefined }
  /** `why`: what is told of its end, unless its channel's tells it. */
  | { readonly at: "over"; readonly why?: Refusal };

/** Whether more requests are wanted: `last`: the agent drains. `ended`: the client has half-closed. */
export type Intake = "open" | "last" | "ended";

/** How long a connection that nobody told of the agent's end may wait for one more request: some are on their way. */
const LAST_REQUEST_MS = 5_000;

/** How long the client may be silent between requests, milliseconds; 0 for ever. `idleMs`: what the agent is set to. */
export function idleTimeout(intake: Intake, { idleMs }: FlowTimeouts): number {
  if (intake !== "last") return idleMs;
  return idleMs > 0 ? Math.min(idleMs, LAST_REQUEST_MS) : LAST_REQUEST_MS;
}

/** Nothing was read yet. */
export const FIRST: SessionState = { at: "reading", first: true };

/** Between requests. */
export const READING: SessionState = { at: "reading", first: false };

/** The exchange is being given its request. */
export const BEGINNING: SessionState = { at: "exchanging", begun: false };

/** A request is being carried. */
export const EXCHANGING: SessionState = { at: "exchanging", begun: true };

/** Nothing more. */
export const OVER: SessionState = { at: "over" };
