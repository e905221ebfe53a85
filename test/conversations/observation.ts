/** What clients and servers of a conversation saw. Plain values, judged afterwards. */

import type { Ending } from "./conversation.ts";
import type { Message } from "./message-reader.ts";

/** A stream as one side got it. */
export interface StreamSeen {
  bytes: number;
  /** Every byte was the one that was sent. */
  right: boolean;
}

/** A final answer as a client got it. */
export interface AnswerSeen {
  readonly message: Message;
  readonly interim: readonly string[];
}

/**
 * How a client's connection ended: as its peer ended it, by its own reset, refused at connect, or not at all in
 * the time that a conversation may take.
 */
export type ClientEnd = Ending | "own-reset" | "refused" | "silence";

/** One client connection. */
export interface ClientSeen {
  readonly answers: AnswerSeen[];
  /** Of a head that was not complete, and what follows the last answer that was asked for. */
  leftover: number;
  stream: StreamSeen;
  end: ClientEnd;
  /** Bytes of requests handed to the kernel. */
  sent: number;
  /** The errno of its end, if it had one. */
  errno: string;
}

/** One request at a server. */
export interface RequestSeen {
  readonly client: number;
  readonly request: number;
  complete: boolean;
  bytes: number;
  right: boolean;
}

/** One connection at a server. */
export interface ServedSeen {
  readonly endpoint: number;
  readonly requests: RequestSeen[];
  stream: StreamSeen;
  /** How the peer ended it; `own` when the server reset it. */
  end: Ending | "own" | "open";
  /** The server sent bytes that nobody asked for: how many requests it had seen then. */
  surplusAfter?: number;
  /** Milliseconds since the conversation began. */
  readonly openedAt: number;
  endedAt: number;
}

/** All of it. */
export interface Observation {
  readonly clients: readonly ClientSeen[];
  readonly served: readonly ServedSeen[];
  /** What was left behind or held back by the worker; see hold.ts. */
  readonly leaks: readonly string[];
}

/** Something that may not be. */
export interface Problem {
  /** Word by which problems are told apart. */
  readonly kind: string;
  readonly text: string;
  /** A machine that is very busy can be the reason: worth holding again when it is not. */
  readonly slow?: true;
}

/** Tells of a problem: the word for it, what was seen, and whether a busy machine can be the reason. */
export type Say = (kind: string, text: string, slow?: boolean) => void;
