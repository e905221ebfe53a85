/** What the next hop gets of a message's head, written as the flow writes it for connections that are kept. */
import { Head } from "../../../agent/http/h1/head.ts";
import { textOf } from "../../../agent/http/h1/lookup.ts";
import { parseRequest, parseResponse } from "../../../agent/http/h1/parse-head.ts";
import {
  connectionOption,
  headRoom,
  isVerbatim,
  NO_LINES,
  writeHead,
} from "../../../agent/http/h1/write-head.ts";

/** A head on its way, one character a byte. */
export interface Forwarded {
  /** As it came, without what is left out before it. */
  readonly given: string;
  readonly written: string;
  /** It is sent from where it is. */
  readonly verbatim: boolean;
  /** The parsed head. */
  readonly head: Head;
}

/** Forwards the head that `bytes` begin with. Throws when it is refused or unfinished. */
export function forward(kind: "request" | "response", bytes: Uint8Array): Forwarded {
  const head = new Head();
  head.feed(bytes, 0, bytes.length);
  const end = kind === "request" ? parseRequest(head) : parseResponse(head);
  if (end <= 0) throw new Error(`not a head: ${end}`);
  // As exchange.ts does: upstream connections are kept whatever a client of HTTP/1.1 wants of its own.
  const keep = kind === "response" || head.minor > 0 || head.keepAlive;
  const how = { connection: connectionOption(1, head.minor, keep), extra: NO_LINES };
  const into = new Uint8Array(headRoom(head, how));
  const length = writeHead(head, how, into);
  return {
    given: textOf(bytes, head.start, end),
    written: textOf(into, 0, length),
    verbatim: isVerbatim(head, how),
    head,
  };
}
