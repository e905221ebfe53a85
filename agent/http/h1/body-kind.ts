import { BODY, type Body, METHOD, type Method, PROBLEM, type Problem } from "./codes.ts";
import type { Head } from "./head.ts";

/** What the answer's framing depends on: the request it answers. */
export interface Asked {
  readonly method: Method;
  /** The request offered an upgrade that was forwarded. */
  readonly upgrade: boolean;
}

/** How a parsed request's body ends: none, length or chunked (RFC 9112 section 6.3). */
export function requestBody(head: Head): Body {
  if (head.chunked) return BODY.chunked;
  return head.contentLength > 0 ? BODY.length : BODY.none;
}

/**
 * How a parsed response's body ends, given the request it answers; a PROBLEM for a 101 nobody asked for.
 * On `interim` the final head is still to come; on `untilClose` the connection cannot be kept.
 */
export function responseBody(head: Head, asked: Asked): Body | Problem {
  const status = head.status;
  if (status === 101) return asked.upgrade ? BODY.tunnel : PROBLEM.unaskedUpgrade;
  if (status < 200) return BODY.interim;
  if (isTunnel(asked.method, status)) return BODY.tunnel;
  if (asked.method === METHOD.head || status === 204 || status === 304) return BODY.none;
  if (head.chunked) return BODY.chunked;
  if (head.contentLength > 0) return BODY.length;
  return head.contentLength === 0 ? BODY.none : BODY.untilClose;
}

/** Whether an answer begins a tunnel: an upgrade, or CONNECT that was granted (RFC 9110 section 9.3.6). */
export function isTunnel(method: Method, status: number): boolean {
  return status === 101 || (method === METHOD.connect && status >= 200 && status < 300);
}

/** Whether asking twice has the same effect as once (RFC 9110 section 9.2.2). */
export function isIdempotent(method: Method): boolean {
  return isSafe(method) || method === METHOD.put || method === METHOD.delete;
}

/** Whether the method only reads (RFC 9110 section 9.2.1). */
export function isSafe(method: Method): boolean {
  return (
    method === METHOD.get ||
    method === METHOD.head ||
    method === METHOD.options ||
    method === METHOD.trace
  );
}
