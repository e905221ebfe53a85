/** Recognises the answer of a peer's agent that says its application never saw the request. */

import type { Reason } from "#model/refusal.ts";
import type { Head } from "../../http/h1/head.ts";
import { findField } from "../../http/h1/lookup.ts";
import type { Range } from "../../http/h1/ranges.ts";

/**
 * Reasons that an agent gives before anything was sent to its application: the request may go to another
 * endpoint whatever its method. A server that says so falsely only gets the request taken away from it.
 */
const UNSERVED: ReadonlySet<string> = new Set<Reason>([
  "connect-refused",
  "connect-timeout",
  "connect-failed",
  "connection-limit",
  "no-policy-data",
  "policy-unknown",
]);

const NAME: Uint8Array = Buffer.from("x-nodemesh-reason");
const RANGE: Range = { start: 0, end: 0 };

/** Whether this response was made by an agent that could not reach its application. */
export function isUnservedByPeer(head: Head): boolean {
  if (head.status !== 503 && head.status !== 504) return false;
  if (findField(head, NAME, RANGE) < 0) return false;
  const reason = Buffer.from(head.bytes.subarray(RANGE.start, RANGE.end)).toString("latin1");
  return UNSERVED.has(reason);
}
