/** Compares the codec with llhttp on one stream of bytes and names the class of their difference. */
import { type Understood, type UnderstoodMessage, understand } from "./llhttp.ts";
import { readStream, type SeenMessage, type SeenStream } from "./read-stream.ts";

/** One difference: its class, and what is needed to judge it. */
export interface Difference {
  /** `stricter PROBLEM`, `looser HPE_CODE`, or what of an accepted message differs. */
  readonly name: string;
  readonly text: string;
  readonly ours: SeenStream;
  readonly theirs: Understood;
}

/** What came of one comparison. */
export interface Comparison {
  /** Undefined when they agree. */
  readonly difference: Difference | undefined;
  /** The codec refused nothing. */
  readonly accepted: boolean;
}

/** Reads `text` (one character a byte) with both. */
export function compare(kind: "request" | "response", text: string): Comparison {
  const bytes = Buffer.from(text, "latin1");
  const ours = readStream({ kind }, [bytes]);
  const theirs = understand(kind, bytes);
  const name = different(kind, ours, theirs);
  return {
    difference: name === undefined ? undefined : { name, text, ours, theirs },
    accepted: !refused(ours.ending),
  };
}

/** The body of a chunked message without its framing; the codec has already validated it. */
export function withoutChunks(raw: string): string {
  let body = "";
  let at = 0;
  for (;;) {
    const line = raw.indexOf("\r\n", at);
    const size = Number.parseInt(raw.slice(at, line), 16);
    if (line < 0 || !(size > 0)) return body;
    body += raw.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

function refused(ending: string): boolean {
  return ending !== "end" && ending !== "incomplete" && ending !== "tunnel";
}

function different(
  kind: "request" | "response",
  ours: SeenStream,
  theirs: Understood,
): string | undefined {
  const both = Math.min(ours.messages.length, theirs.messages.length);
  for (let i = 0; i < both; i++) {
    const mine = ours.messages[i] as SeenMessage;
    const other = theirs.messages[i] as UnderstoodMessage;
    const part = differentHead(kind, mine, other);
    if (part !== undefined) return part;
    // llhttp leaves what follows an upgrade to its caller, and reads nothing behind a last message.
    if (other.upgrade || (mine.complete && other.complete && !mine.keepAlive)) return undefined;
    if (mine.complete && other.complete && bodyOf(mine) !== other.body) return "body";
    if (mine.complete !== other.complete && i < both - 1) return "end of the message";
  }
  return differentEnd(ours, theirs);
}

function bodyOf(message: SeenMessage): string {
  return message.chunked ? withoutChunks(message.raw) : message.raw;
}

function differentHead(
  kind: "request" | "response",
  mine: SeenMessage,
  other: UnderstoodMessage,
): string | undefined {
  const line = kind === "request" ? `${other.method} ${other.url}` : `${other.status}`;
  if (mine.line !== line) return "start line";
  if (mine.minor !== other.minor) return "version";
  if (JSON.stringify(mine.fields) !== JSON.stringify(other.fields)) return "fields";
  // Of responses llhttp also says no when only the connection's end ends them.
  if (kind === "request" && mine.keepAlive !== other.keepAlive) return "keep-alive";
  return undefined;
}

function differentEnd(ours: SeenStream, theirs: Understood): string | undefined {
  const weRefuse = refused(ours.ending);
  const theyRefuse = theirs.error !== undefined;
  if (weRefuse && theyRefuse) return undefined;
  if (weRefuse) return `stricter ${ours.ending}`;
  if (theyRefuse) {
    if (ours.ending === "incomplete") return `later ${theirs.error}`;
    return `looser ${theirs.error}`;
  }
  if (ours.messages.length !== theirs.messages.length) return "number of messages";
  const same = ours.messages.at(-1)?.complete === theirs.messages.at(-1)?.complete;
  return same ? undefined : "end of the message";
}
