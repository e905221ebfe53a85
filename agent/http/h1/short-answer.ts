import { STATUS_CODES } from "node:http";
import { type Reason, reasonHelp } from "#model/refusal.ts";

/** An answer the mesh gives by itself. */
export interface ShortAnswer {
  readonly status: number;
  readonly reason: Reason;
  /** Tell the client that the connection ends. Needed whenever the request's bytes were not read to their end. */
  readonly close: boolean;
  /** Answer to HEAD: the fields without the body. */
  readonly bodiless: boolean;
  /** The address and port that were dialled in vain. */
  readonly dialled?: string | undefined;
}

/** By status, reason, close and bodiless: some hundred short texts at most. */
const written = new Map<string, Uint8Array>();

/**
 * The bytes of a short answer: status, reason in `x-nodemesh-reason`, what was dialled in `x-nodemesh-dialled`, one line of
 * text. Shared: never write into them.
 */
export function shortAnswer(answer: ShortAnswer): Uint8Array {
  // Of these there are as many as addresses.
  if (answer.dialled !== undefined) return write(answer);
  const key = `${answer.status} ${answer.reason} ${answer.close} ${answer.bodiless}`;
  const known = written.get(key);
  if (known !== undefined) return known;
  const made = write(answer);
  written.set(key, made);
  return made;
}

const STATUS: Readonly<Record<Reason, number>> = {
  "unknown-source": 403,
  denied: 403,
  "policy-unknown": 503,
  "no-policy-data": 503,
  "no-endpoints": 503,
  "connect-refused": 503,
  "connect-timeout": 504,
  "connect-failed": 503,
  "upstream-reset": 502,
  "peer-vanished": 504,
  "upstream-malformed": 502,
  "request-timeout": 504,
  "head-timeout": 408,
  "head-too-large": 431,
  "too-many-headers": 431,
  "request-malformed": 400,
  "framing-ambiguous": 400,
  "version-unsupported": 505,
  "connection-limit": 503,
  "memory-limit": 503,
  "descriptor-limit": 503,
  "drain-deadline": 503,
  "idle-timeout": 408,
  internal: 500,
};

/** How long the text of a short answer is, bytes. */
export function shortBodyBytes(reason: Reason): number {
  return Buffer.byteLength(bodyOf(reason));
}

function bodyOf(reason: Reason): string {
  return `nodemesh: ${reason}: ${reasonHelp(reason)}\n`;
}

/** The HTTP status that a reason is answered with; a codec PROBLEM may know a better one (501). */
export function statusOf(reason: Reason): number {
  return STATUS[reason];
}

function write({ status, reason, close, bodiless, dialled }: ShortAnswer): Uint8Array {
  const body = bodyOf(reason);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? "Refused"}`,
    "content-type: text/plain; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
    `x-nodemesh-reason: ${reason}`,
    ...(dialled === undefined ? [] : [`x-nodemesh-dialled: ${dialled}`]),
    ...(close ? ["connection: close"] : []),
  ];
  return new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n${bodiless ? "" : body}`);
}
