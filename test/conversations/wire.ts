/** The bytes of requests and answers, and which bytes belong to whom. Pure. */

import type { Answer, Body, Request } from "./conversation.ts";
import { Random } from "./random.ts";

/** Longest body; a body begins at its owner's offset of the pattern. */
export const MAX_BODY: number = 1 << 20;
const OFFSETS = 65_521;
const PATTERN: Buffer = pattern(MAX_BODY + OFFSETS + 1);

/** Who says something: a request of a client, in one of the two directions. */
export interface Speaker {
  readonly client: number;
  readonly request: number;
  readonly side: "client" | "server";
}

/** The first `length` bytes of what the speaker's body is: others' bodies begin otherwise. */
export function bodyOf({ client, request, side }: Speaker, length: number): Buffer {
  const offset = (client * 7919 + request * 1013 + (side === "client" ? 1 : 40_009)) % OFFSETS;
  return PATTERN.subarray(offset, offset + length);
}

/** Bytes of the request, in head and body. */
export function requestBytes(
  request: Request,
  client: number,
  at: number,
): { readonly head: Buffer; readonly body: Buffer } {
  // RFC 9112 section 3.2.3: CONNECT names where its tunnel leads to.
  const connect = request.method === "CONNECT";
  const lines = [
    `${request.method} ${connect ? "server:443" : `/${client}/${at}`} HTTP/${request.version}`,
    `Host: ${connect ? "server:443" : "server"}`,
    `X-Mark: ${client}/${at}`,
  ];
  if (request.close) lines.push("Connection: close");
  else if (request.answer.stream?.up !== undefined && request.answer.status === 101)
    lines.push("Connection: Upgrade", "Upgrade: echo");
  if (request.expect) lines.push("Expect: 100-continue");
  if (request.login) lines.push("Authorization: NTLM TlRMTVNTUAABAAAA");
  lines.push(...framingLines(request.body));
  const body = framed(request.body, bodyOf({ client, request: at, side: "client" }, MAX_BODY));
  return { head: Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), body };
}

/** Bytes of the final answer, in head and body; `bodiless`: it answers HEAD. */
export function answerBytes(
  answer: Answer,
  client: number,
  at: number,
  bodiless: boolean,
): { readonly head: Buffer; readonly body: Buffer } {
  const lines = [`HTTP/1.1 ${answer.status} Fine`, `X-Mark: ${client}/${at}`];
  if (answer.after === "close") lines.push("Connection: close");
  if (answer.status === 101) lines.push("Connection: Upgrade", "Upgrade: echo");
  if (answer.challenge) lines.push("WWW-Authenticate: NTLM");
  if (answer.claim) lines.push("x-nodemesh-reason: connect-refused");
  if (answer.stream === undefined && hasContent(answer.status))
    lines.push(...framingLines(answer.body, true));
  const empty = bodiless || answer.stream !== undefined || !hasContent(answer.status);
  const pattern = bodyOf({ client, request: at, side: "server" }, MAX_BODY);
  return {
    head: Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"),
    body: empty ? Buffer.alloc(0) : framed(answer.body, pattern),
  };
}

/** How many bytes of content the body has. */
export function contentLength(body: Body): number {
  return body.kind === "none" ? 0 : body.bytes;
}

/** Of an answer: none to HEAD, with 204 and with 304 (RFC 9110 section 6.4.1). */
export function answerContentLength(request: Request, answer: Answer): number {
  if (request.method === "HEAD" || !hasContent(answer.status)) return 0;
  if (answer.stream !== undefined) return 0;
  return contentLength(answer.body);
}

/** How many bytes of content are in the first `wire` bytes behind the head. */
export function contentWithin(body: Body, wire: number): number {
  if (body.kind === "none" || wire <= 0) return 0;
  if (body.kind !== "chunked") return Math.min(wire, body.bytes);
  let left = wire;
  let content = 0;
  while (content < body.bytes && left > 0) {
    const size = Math.min(body.chunk, body.bytes - content);
    const line = size.toString(16).length + 2;
    content += Math.max(0, Math.min(size, left - line));
    left -= line + size + 2;
  }
  return content;
}

function hasContent(status: number): boolean {
  return status !== 204 && status !== 304 && status !== 101;
}

function framingLines(body: Body, answer = false): readonly string[] {
  if (body.kind === "length") return [`Content-Length: ${body.bytes}`];
  if (body.kind === "none" || body.kind === "close")
    return answer && body.kind === "none" ? ["Content-Length: 0"] : [];
  return ["Transfer-Encoding: chunked", ...(body.trailer ? ["Trailer: X-Sum"] : [])];
}

function framed(body: Body, pattern: Buffer): Buffer {
  if (body.kind === "none") return Buffer.alloc(0);
  if (body.kind !== "chunked") return pattern.subarray(0, body.bytes);
  const parts: Buffer[] = [];
  for (let at = 0; at < body.bytes; at += body.chunk) {
    const piece = pattern.subarray(at, Math.min(at + body.chunk, body.bytes));
    parts.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n"));
  }
  parts.push(Buffer.from(`0\r\n${body.trailer ? "X-Sum: right\r\n" : ""}\r\n`));
  return Buffer.concat(parts);
}

function pattern(length: number): Buffer {
  const random = new Random(20_261_130);
  const text = Buffer.alloc(length);
  for (let at = 0; at < length; at++) text[at] = random.whole(0x61, 0x7a);
  return text;
}
