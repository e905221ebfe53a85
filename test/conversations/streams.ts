/** Judges bytes that go both ways: each side gets what the other sent, and its end. Pure. */

import type { Conversation, Ending, Stream } from "./conversation.ts";
import type { ClientSeen, Say, ServedSeen, StreamSeen } from "./observation.ts";

/** What a reset may take away on its way: a stream up to this length was with the kernel of the receiver before. */
const SURELY_ARRIVED = 16_384;

/** A connection that is nothing else. */
export function judgeBytes(
  conversation: Conversation,
  stream: Stream,
  seen: ClientSeen,
  served: readonly ServedSeen[],
  say: Say,
): void {
  if (conversation.endpoints.some(({ takes }) => takes !== "none")) {
    // Where a connect took long, another server was dialled besides: what heard nothing was given up.
    const heard = served.find((one) => one.stream.bytes > 0) ?? served.at(-1);
    judgeStream(conversation, stream, seen, heard, say);
    return;
  }
  const { end } = seen;
  const moves = conversation.happenings.length > 0 && end !== "silence";
  if (end !== "reset" && end !== "refused" && !moves)
    say("ending", `nobody listens, but the connection ended with ${end}`);
}

/** What follows an upgrade, or an answer without length. */
export function judgeStream(
  { happenings }: Conversation,
  stream: Stream,
  seen: ClientSeen,
  served: ServedSeen | undefined,
  say: Say,
): void {
  const client: Side = {
    who: "the client",
    got: seen.stream,
    length: stream.down,
    end: seen.end,
    right: stream.end === "server-reset" ? "reset" : "fin",
  };
  const server: Side = {
    who: "the server",
    got: served?.stream ?? { bytes: 0, right: true },
    length: stream.up,
    end: served?.end ?? "nothing",
    right: stream.end === "client-reset" ? "reset" : "fin",
  };
  for (const side of [client, server]) {
    if (!side.got.right || side.got.bytes > side.length)
      say("wrong-bytes", `${side.who} got other bytes than were sent`);
    if (happenings.length === 0) judgeSide(side, say);
  }
  if (seen.end === "silence" && happenings.length > 0) say("silence", "no end came");
}

interface Side {
  readonly who: string;
  readonly got: StreamSeen;
  readonly length: number;
  readonly end: string;
  /** How it ends. */
  readonly right: Ending;
}

function judgeSide({ who, got, length, end, right }: Side, say: Say): void {
  const lossy = right === "reset" && length > SURELY_ARRIVED;
  if (got.bytes < length && !lossy)
    say("stream", `${who} got ${got.bytes} of ${length} bytes, then ${end}`);
  else if (end !== right && end !== "own" && end !== "own-reset")
    say(end === "silence" ? end : "stream", `${who} saw ${end} instead of ${right}`);
}
