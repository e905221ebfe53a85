/**
 * The life of a request as a pure function: event + state → state + actions. No protocol is in it, and nothing it
 * answers is made anew: states and actions are constants. exchange.ts acts on them.
 *
 *                 begin                 reached              head               end
 *        idle ───────────▶ reaching ───────────▶ asking ───────────▶ answering ─────▶ idle
 *                  (an open connection: at once)   │  ▲                    │ the request still comes
 *                                     failed, again│  │                    ▼
 *                                                  ▼  │                uploading ─────▶ idle
 *                                               reaching
 *        bytes: an upgrade, or an answer without an end of its own; leaving: the client is gone, what it sent is delivered
 */

import type { Ending } from "../../http/message.ts";

/**
 * How far the request itself is. `open`: more is to come. `whole`: all of it came. `cut`: the client half-closed before
 * that. `left`: the client half-closed after it.
 */
export type Upload = "open" | "whole" | "cut" | "left";

/** Where an exchange stands. */
export type State =
  | { readonly at: "idle" }
  /** No connection yet: what came of the request is kept. */
  | { readonly at: "reaching"; readonly upload: Upload }
  /** Sent as far as it came; no final answer has begun. */
  | { readonly at: "asking"; readonly upload: Upload }
  | { readonly at: "answering"; readonly upload: Upload }
  /** The answer is complete, the request is not. */
  | { readonly at: "uploading"; readonly upload: "open" }
  /** Both sides are tied together. `recorded`: what became of the request is known already, an upgrade. */
  | { readonly at: "bytes"; readonly recorded: boolean }
  /** The client is gone; what it sent is delivered once an endpoint is reached. */
  | { readonly at: "leaving" };

/** What happens. */
export type Event =
  /** A request has come. `connected`: there is a connection to ask over. */
  | { readonly is: "begin"; readonly whole: boolean; readonly connected: boolean }
  | { readonly is: "body"; readonly whole: boolean }
  | { readonly is: "client-ended" }
  | { readonly is: "client-gone" }
  | { readonly is: "reached" }
  /** `mirrored`: the client is told as its server's own kernel would tell it. */
  | { readonly is: "unreachable"; readonly mirrored: boolean }
  | { readonly is: "interim" }
  | { readonly is: "head" }
  /** The final head says that the application never saw the request. `again`: there is somebody else to ask. */
  | { readonly is: "unserved"; readonly again: boolean; readonly mirrored: boolean }
  | { readonly is: "data" }
  | { readonly is: "end" }
  /** From here on bytes go both ways: by an `upgrade`, or since the answer has no end of its own. */
  | { readonly is: "bytes"; readonly upgrade: boolean }
  /** Both tied sides have ended. */
  | { readonly is: "untied" }
  /** The attempt failed. `again`: the request may be sent again, and there is somebody to send it to. */
  | {
      readonly is: "failed";
      readonly ending: "end" | "reset" | "vanished" | "malformed";
      readonly again: boolean;
      readonly mirrored: boolean;
    }
  /** The endpoint let the time for its answer's head pass. */
  | { readonly is: "too-late" }
  /** The pod is gone: both sides are cut. */
  | { readonly is: "dropped" }
  /** The mesh itself ends it, and answers where nothing was answered yet. */
  | { readonly is: "cut"; readonly mirrored: boolean };

/** What is to be done about the endpoint's side and the books, in order. */
type ServerAction =
  /** Find an endpoint and connect to it; the client's body waits meanwhile. */
  | "reach"
  /** Send what came of the request over the connection. */
  | "send"
  /** Keep more of the body. */
  | "keep"
  /** Give more of the body to the server. */
  | "forward"
  /** The server sees the client's FIN. */
  | "end-upload"
  /** The server gets what was sent, then the reset. */
  | "deliver"
  /** Cut the attempt, or stop looking for an endpoint. */
  | "abandon"
  /** What was kept is not needed any more. */
  | "forget"
  /** The outcome is recorded. */
  | "record"
  /** The endpoint is given back, the connection kept, shared or closed. */
  | "settle";

/** What is to be done about the client. */
export type ClientAction =
  /** Read the client's body again. */
  | "resume-client"
  | "pass-interim"
  | "pass-head"
  | "pass-data"
  /** The client gets the head, then both sides are tied. */
  | "tie"
  /** The client's connection goes on, or ends in order. */
  | "end-answer"
  /** No more comes for the client, which still sends. */
  | "half-close"
  /** The client's connection ends as the server's did: FIN. */
  | "end-client"
  /** The client's connection ends as the server's did: RST, after what was sent. */
  | "reset-client"
  /** An answer of the mesh's own; `end-answer` follows. */
  | "refuse"
  /** The client, gone before, is forgotten. */
  | "leave";

/** What is to be done. */
export type Action = ServerAction | ClientAction;

/** What an event leads to. */
export interface Step {
  readonly state: State;
  readonly actions: readonly Action[];
}

/** Before and after every request. */
export const IDLE: State = { at: "idle" };

const UPLOADING: State = { at: "uploading", upload: "open" };
const LEAVING: State = { at: "leaving" };
const UPGRADED: State = { at: "bytes", recorded: true };
const LENGTHLESS: State = { at: "bytes", recorded: false };

type Carrying = "reaching" | "asking" | "answering";

const STATES: Readonly<Record<Carrying, Readonly<Record<Upload, State>>>> = {
  reaching: states("reaching"),
  asking: states("asking"),
  answering: states("answering"),
};

function states(at: Carrying): Readonly<Record<Upload, State>> {
  return {
    open: { at, upload: "open" },
    whole: { at, upload: "whole" },
    cut: { at, upload: "cut" },
    left: { at, upload: "left" },
  };
}

/** Steps to a state of `at`, one for each way in which the request may be; `more` comes behind for uploads that have ended. */
function toEach(at: Carrying, ...actions: readonly Action[]): Readonly<Record<Upload, Step>> {
  const ended: readonly Action[] = actions.includes("send") ? ["end-upload"] : [];
  return {
    open: { state: STATES[at].open, actions },
    whole: { state: STATES[at].whole, actions },
    cut: { state: STATES[at].cut, actions: [...actions, ...ended] },
    left: { state: STATES[at].left, actions: [...actions, ...ended] },
  };
}

function to(state: State, ...actions: readonly Action[]): Step {
  return { state, actions };
}

const REACH = toEach("reaching", "reach");
/** The rest of an open request is read from now on; what can't be sent at once stops it again. */
const SEND: Readonly<Record<Upload, Step>> = {
  ...toEach("asking", "send"),
  open: to(STATES.asking.open, "resume-client", "send"),
};
const KEEP = toEach("reaching", "keep");
const FORWARD: Readonly<Record<"asking" | "answering", Readonly<Record<Upload, Step>>>> = {
  asking: toEach("asking", "forward"),
  answering: toEach("answering", "forward"),
};
const STAY_REACHING = toEach("reaching");
const END_UPLOAD: Readonly<Record<"asking" | "answering", Readonly<Record<Upload, Step>>>> = {
  asking: toEach("asking", "end-upload"),
  answering: toEach("answering", "end-upload"),
};
const ASK_AGAIN = toEach("reaching", "settle", "reach");
const UNSERVED_AGAIN = toEach("reaching", "abandon", "settle", "reach");
const HEAD = toEach("answering", "pass-head", "forget");
const STAY_ASKING = toEach("asking", "pass-interim");
const DATA = toEach("answering", "pass-data");

const FORWARD_EARLY = to(UPLOADING, "forward");
const UPLOADED = to(IDLE, "forward", "settle", "end-answer");
const ANSWERED = to(IDLE, "record", "settle", "forget", "end-answer");
const ANSWERED_EARLY = to(UPLOADING, "record", "forget");
const HALF_CLOSED = to(UPLOADING, "half-close");
const TIED = to(LENGTHLESS, "forget", "tie");
const TIED_BY_UPGRADE = to(UPGRADED, "forget", "tie", "record");
const UNTIED = to(IDLE, "settle");
const UNTIED_AND_RECORDED = to(IDLE, "record", "settle");
const LEAVE = to(LEAVING);
const LEFT = to(IDLE, "send", "deliver", "record", "settle", "forget", "leave");
const LOST = to(IDLE, "abandon", "record", "settle", "forget", "leave");
const DROPPED = to(IDLE, "abandon", "record", "settle", "forget");
const DROPPED_AFTER_ANSWER = to(IDLE, "abandon", "settle");
const GONE = to(IDLE, "deliver", "record", "settle", "forget");
const GONE_AFTER_ANSWER = to(IDLE, "deliver", "settle");
const REFUSED = to(IDLE, "abandon", "refuse", "record", "settle", "forget", "end-answer");
const RESET = to(IDLE, "abandon", "reset-client", "record", "settle", "forget");
const RESET_AFTER_ANSWER = to(IDLE, "abandon", "reset-client", "settle");
const ENDED = to(IDLE, "end-client", "record", "settle", "forget");
const CUT_UPLOAD = to(IDLE, "end-upload", "settle", "end-answer");

/** Whether nothing of the request is still to come. What is delivered for a client that is gone is cut. */
export function isWhole(state: State): state is State & { readonly upload: "whole" | "left" } {
  return "upload" in state && (state.upload === "whole" || state.upload === "left");
}

/**
 * Whether a request whose attempt ended so may be asked of somebody else, as far as it came. A server that ends as its
 * client did before has answered that end: a long poll that its client leaves is no failure. `pooled`: the connection had
 * waited in a pool, and its server may have ended it before it was asked.
 */
export function mayRepeat(state: State, { kind }: Ending, pooled: boolean): boolean {
  return isWhole(state) && (kind !== "end" || pooled || state.upload !== "left");
}

/** What `event` leads to in `state`. Throws on what can't be: an event of an attempt that does not exist. */
export function transition(state: State, event: Event): Step {
  if (event.is === "dropped") return dropped(state);
  switch (state.at) {
    case "idle":
      return ofIdle(event);
    case "reaching":
      return ofReaching(state.upload, event);
    case "asking":
      return ofAsking(state.upload, event);
    case "answering":
      return ofAnswering(state.upload, event);
    case "uploading":
      return ofUploading(event);
    case "bytes":
      if (event.is !== "untied") return impossible(state, event);
      return state.recorded ? UNTIED : UNTIED_AND_RECORDED;
    case "leaving":
      return ofLeaving(event);
  }
}

function dropped(state: State): Step {
  switch (state.at) {
    case "leaving":
      return LOST;
    case "uploading":
      return DROPPED_AFTER_ANSWER;
    case "reaching":
    case "asking":
    case "answering":
      return DROPPED;
    case "idle":
    case "bytes":
      return { state, actions: [] };
  }
}

function ofIdle(event: Event): Step {
  if (event.is !== "begin") return impossible(IDLE, event);
  return (event.connected ? SEND : REACH)[event.whole ? "whole" : "open"];
}

function ofReaching(upload: Upload, event: Event): Step {
  switch (event.is) {
    case "body":
      return KEEP[event.whole ? "whole" : "open"];
    case "client-ended":
      return STAY_REACHING[ended(upload)];
    case "client-gone":
      return LEAVE;
    case "reached":
      return SEND[upload];
    case "unreachable":
    case "cut":
      return event.mirrored ? RESET : REFUSED;
    default:
      return impossible(STATES.reaching[upload], event);
  }
}

function ofAsking(upload: Upload, event: Event): Step {
  switch (event.is) {
    case "interim":
      return STAY_ASKING[upload];
    case "head":
      return HEAD[upload];
    case "bytes":
      return event.upgrade ? TIED_BY_UPGRADE : TIED;
    case "unserved":
      if (event.again) return UNSERVED_AGAIN[upload];
      return event.mirrored ? RESET : HEAD[upload];
    case "failed":
      return event.again ? ASK_AGAIN[upload] : failedUnanswered(event);
    case "too-late":
      return REFUSED;
    case "cut":
      return event.mirrored ? RESET : REFUSED;
    default:
      return ofClient("asking", upload, event);
  }
}

function failedUnanswered({ ending, mirrored }: Extract<Event, { is: "failed" }>): Step {
  if (ending === "malformed" || !mirrored) return REFUSED;
  return ending === "end" ? ENDED : RESET;
}

function ofAnswering(upload: Upload, event: Event): Step {
  switch (event.is) {
    case "data":
      return DATA[upload];
    case "end":
      return upload === "open" ? ANSWERED_EARLY : ANSWERED;
    case "failed":
      return event.ending === "end" ? ENDED : RESET;
    case "cut":
      return RESET;
    default:
      return ofClient("answering", upload, event);
  }
}

function ofClient(at: "asking" | "answering", upload: Upload, event: Event): Step {
  switch (event.is) {
    case "body":
      return FORWARD[at][event.whole ? "whole" : "open"];
    case "client-ended":
      return END_UPLOAD[at][ended(upload)];
    case "client-gone":
      return GONE;
    default:
      return impossible(STATES[at][upload], event);
  }
}

function ofUploading(event: Event): Step {
  switch (event.is) {
    case "body":
      return event.whole ? UPLOADED : FORWARD_EARLY;
    case "client-ended":
      return CUT_UPLOAD;
    case "client-gone":
      return GONE_AFTER_ANSWER;
    case "failed":
      return event.ending === "end" ? HALF_CLOSED : RESET_AFTER_ANSWER;
    case "cut":
      return RESET_AFTER_ANSWER;
    default:
      return impossible(UPLOADING, event);
  }
}

function ofLeaving(event: Event): Step {
  if (event.is === "reached") return LEFT;
  if (event.is === "unreachable" || event.is === "cut") return LOST;
  return impossible(LEAVING, event);
}

function ended(upload: Upload): Upload {
  return upload === "open" || upload === "cut" ? "cut" : "left";
}

function impossible(state: State, event: Event): never {
  throw new Error(`a request that is ${state.at} can't hear of "${event.is}"`);
}
