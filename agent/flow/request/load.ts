/** What goes with an event of an exchange: the bytes and heads that its actions need. */

import type { Refusal } from "#model/refusal.ts";
import type { Channel } from "../../engine/channel.ts";
import type { Head } from "../../http/h1/head.ts";
import type { AnswerHead, Ending, Piece } from "../../http/message.ts";

/** What an event brings along; lent for the call. */
export interface Load {
  readonly request?: Head;
  readonly answer?: AnswerHead;
  /** Bytes of a body. */
  readonly piece?: Piece;
  readonly whole?: boolean;
  readonly mayFollow?: boolean;
  readonly carrier?: Channel;
  readonly ending?: Ending;
  readonly refusal?: Refusal;
  /** What the refusal is answered with. */
  readonly status?: number;
}

/** No bytes. */
export const EMPTY: Piece = { buffer: new Uint8Array(0), start: 0, end: 0 };

/** Nothing goes with the event. */
export const NO_LOAD: Load = {};

/** A side ended in order, in the middle. */
export const END: Ending = { kind: "end" };

/** A side was reset. */
export const RESET: Ending = { kind: "reset" };
