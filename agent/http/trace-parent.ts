/** The field traceparent of W3C Trace Context (https://www.w3.org/TR/trace-context/, Recommendation of 2021), read and written. */

import { ascii, SP } from "./h1/octets.ts";
import type { Range } from "./h1/ranges.ts";
import type { RequestHead } from "./message.ts";

/** Where a request stands in a trace. */
export interface TraceParent {
  /** 32 hexadecimal digits in lower case, not all 0. */
  readonly traceId: string;
  /** 16 hexadecimal digits in lower case, not all 0: the span of who sent the request. */
  readonly parentId: string;
  readonly sampled: boolean;
}

/** What a request says of traces. */
export type TraceWords =
  /** Nothing, in any format that is known here. */
  | { readonly kind: "none" }
  /** Something that is not ours to touch: another format, a state without its trace, or not as the Recommendation has it. */
  | { readonly kind: "other" }
  | { readonly kind: "parent"; readonly parent: TraceParent };

const NAME = ascii("traceparent");
/** Fields of those who have a trace of their own: tracestate alone, Zipkin's B3 in both forms, Jaeger's. */
const OTHERS: readonly Uint8Array[] = ["tracestate", "b3", "x-b3-traceid", "uber-trace-id"].map(
  ascii,
);

/** Version, trace, parent and flags, with their dashes. */
const LENGTH = 55;
const FORMAT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const FIRST_VERSION = "00";
const NO_VERSION = "ff";
const ZEROS = /^0+$/;
const SAMPLED = 1;

const RANGE: Range = { start: 0, end: 0 };
const NONE: TraceWords = { kind: "none" };
const OTHER: TraceWords = { kind: "other" };

/** Reads what a request says. */
export function readTraceWords(head: RequestHead): TraceWords {
  const line = head.find(NAME, RANGE);
  if (line < 0) return OTHERS.some((name) => head.find(name, RANGE) >= 0) ? OTHER : NONE;
  const value = Buffer.from(head.bytes.subarray(RANGE.start, RANGE.end)).toString("latin1");
  // Two of them say nothing (section 3.2).
  const parent = head.find(NAME, RANGE, line + 1) < 0 ? parseTraceParent(value) : undefined;
  return parent === undefined ? OTHER : { kind: "parent", parent };
}

/** Reads a value; undefined when it is not as section 3.2.2 has it, or a later version in its place (section 4.3). */
export function parseTraceParent(value: string): TraceParent | undefined {
  const match = FORMAT.exec(value);
  if (match === null) return undefined;
  const [, version = "", traceId = "", parentId = "", flags = "", more] = match;
  if (version === NO_VERSION || (version === FIRST_VERSION && more !== undefined)) return undefined;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & SAMPLED) !== 0 };
}

/** The value of a request that is sent in a sampled trace by this span. */
export function formatTraceParent(traceId: string, spanId: string): string {
  return `${FIRST_VERSION}-${traceId}-${spanId}-01`;
}

/** Puts a span in the place of the request's parent, where the field stands: a head that crosses as it came still does. */
export function continueTrace(head: RequestHead, traceId: string, spanId: string): void {
  if (head.find(NAME, RANGE) < 0) return;
  const { start, end } = RANGE;
  head.bytes.set(ascii(formatTraceParent(traceId, spanId)), start);
  // What a later version had behind it is not ours to vouch for: white space around a value is none of it.
  head.bytes.fill(SP, start + LENGTH, end);
}

/** Adds the field to a request that has none. */
export function beginTrace(head: RequestHead, traceId: string, spanId: string): void {
  head.add(ascii(`traceparent: ${formatTraceParent(traceId, spanId)}\r\n`));
}
