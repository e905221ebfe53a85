/** Writes a request's head, as the next hop shall see it, and the first part of its body. */

import type { Channel } from "../engine/channel.ts";
import type { Head } from "../http/h1/head.ts";
import { copy } from "../http/h1/octets.ts";
import {
  connectionOption,
  headRoom,
  isVerbatim,
  NO_LINES,
  type Rewrite,
  writeHead,
} from "../http/h1/write-head.ts";
import type { Piece } from "../http/message.ts";
import type { HeadSlots } from "./head-slots.ts";

/** A request to send. */
export interface Asking {
  readonly head: Head;
  /** The part of the body that has come. */
  readonly body: Piece;
  /** `body` is all of it. */
  readonly whole: boolean;
  /** What the server is told of the connection: what its client said, or that it is kept, whatever the client wants of its own. */
  readonly connection: "as-sent" | "kept";
  /** Head and body are in memory of their own, one behind the other: they last beyond the turn. */
  readonly kept: boolean;
}

/** Memory for what is sent at the end of a turn, and for heads that are rewritten. */
export interface SendMemory {
  readonly slots: HeadSlots;
  readonly scratch: Uint8Array;
}

/** One object for all heads of a worker: written and read within one call. */
const REWRITE: Rewrite = { connection: "none", extra: NO_LINES };

/** Sends it. Returns false when something is queued. */
export function sendRequest(channel: Channel, asking: Asking, memory: SendMemory): boolean {
  const { head, body, whole, kept } = asking;
  const how = rewriteOf(asking);
  const verbatim = isVerbatim(head, how);
  if (verbatim && head.bytes === body.buffer && head.end === body.start) {
    if (!kept || !whole) return channel.write(head.bytes, head.start, body.end);
    channel.writeSoon(head.bytes, head.start, body.end);
    return true;
  }
  if (whole && sendSoon(channel, asking, memory)) return true;
  const { scratch } = memory;
  const headEnd = writeHead(head, how, scratch);
  return channel.write2(scratch, 0, headEnd, body.buffer, body.start, body.end);
}

/** Requests that go out at the end of a turn wake their server once (Channel.writeSoon): worth a copy when they are short. */
function sendSoon(channel: Channel, asking: Asking, { slots }: SendMemory): boolean {
  const { head, body } = asking;
  const how = rewriteOf(asking);
  const slot = slots.take(headRoom(head, how) + body.end - body.start);
  if (slot === undefined) return false;
  const end = copy(body.buffer, body.start, body.end, slot, writeHead(head, how, slot));
  channel.writeSoon(slot, 0, end);
  // Its bytes stay until the turn is over.
  slots.give(slot);
  return true;
}

function rewriteOf({ head, connection }: Asking): Rewrite {
  const kept = connection === "kept" ? head.minor > 0 || head.keepAlive : head.keepAlive;
  REWRITE.connection = connectionOption(head.minor, head.minor, kept);
  REWRITE.extra = head.added;
  return REWRITE;
}
