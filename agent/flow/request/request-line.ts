import { printable } from "../../http/h1/lookup.ts";
import type { Range } from "../../http/h1/ranges.ts";
import type { RequestHead } from "../../http/message.ts";
import type { RequestLine } from "../record.ts";

const RANGE: Range = { start: 0, end: 0 };

/** What a request asks for, as text for the access log. */
export function requestLine(head: RequestHead): RequestLine {
  const text = (): string => printable(head.bytes, RANGE.start, RANGE.end);
  head.methodRange(RANGE);
  const method = text();
  head.authorityRange(RANGE);
  const host = text();
  head.pathRange(RANGE);
  return { method, host, path: text() || "/" };
}
