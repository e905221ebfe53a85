/**
 * The trace of a request: followed where its client is in one that is sampled, begun for a share of the others. The next
 * hop gets the mesh's span as its parent. Whose trace is not sampled, or told in another format, is left as it is.
 */

import { randomFillSync } from "node:crypto";
import type { RequestHead } from "../http/message.ts";
import { beginTrace, continueTrace, readTraceWords } from "../http/trace-parent.ts";

/** A request in a sampled trace. */
export interface Trace {
  readonly traceId: string;
  /** Who sent the request; undefined: the trace begins here. */
  readonly parentId: string | undefined;
  /** The span that the next hop has for its parent. */
  readonly spanId: string;
}

/** A field more is not asked of heads beyond these: they may be near to what their server takes. */
const MOST_BYTES = 4096;
const MOST_FIELDS = 64;

const TRACE_BYTES = 16;
const SPAN_BYTES = 8;

/** The trace that a request is in from now on, told in its head; `begins`: one may be begun. Undefined: it is in none. */
export function traceOf(head: RequestHead, begins: boolean): Trace | undefined {
  const words = readTraceWords(head);
  switch (words.kind) {
    case "other":
      return undefined;
    case "parent": {
      const { traceId, parentId, sampled } = words.parent;
      if (!sampled) return undefined;
      const spanId = newSpanId();
      continueTrace(head, traceId, spanId);
      return { traceId, parentId, spanId };
    }
    case "none": {
      if (!begins || head.size > MOST_BYTES || head.fieldCount > MOST_FIELDS) return undefined;
      const [traceId, spanId] = [hexadecimal(TRACE_BYTES), newSpanId()];
      beginTrace(head, traceId, spanId);
      return { traceId, parentId: undefined, spanId };
    }
  }
}

/** A span's id. */
export function newSpanId(): string {
  return hexadecimal(SPAN_BYTES);
}

/** That all of it is 0, which the Recommendation forbids, happens once in 2^64 times at most. */
function hexadecimal(bytes: number): string {
  return randomFillSync(Buffer.allocUnsafe(bytes)).toString("hex");
}
