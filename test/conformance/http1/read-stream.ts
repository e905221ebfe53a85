/**
 * test/conformance/http1: the HTTP/1.1 codec against the known attacks, against itself under every split and
 * against Node's llhttp. May import agent/http and nothing else of the product. Never opens a socket.
 *
 * This file reads a whole connection's bytes with the codec, the way the agent's flow does.
 */
import { type Asked, requestBody, responseBody } from "../../../agent/http/h1/body-kind.ts";
import { BODY, type Body, METHOD, PROBLEM, type Problem } from "../../../agent/http/h1/codes.ts";
import { Framer } from "../../../agent/http/h1/framer.ts";
import { Head, type HeadLimits } from "../../../agent/http/h1/head.ts";
import { textOf } from "../../../agent/http/h1/lookup.ts";
import { parseRequest, parseResponse } from "../../../agent/http/h1/parse-head.ts";
import { isProblem } from "../../../agent/http/h1/problem.ts";

/** One message as the codec saw it. */
export interface SeenMessage {
  /** `GET /path`, or a response's status. */
  readonly line: string;
  readonly minor: number;
  readonly keepAlive: boolean;
  /** The body's bytes as they came (chunked framing included), one character a byte. */
  readonly raw: string;
  readonly chunked: boolean;
  /** The whole body was there. */
  readonly complete: boolean;
  /** Field names and values in turn. */
  readonly fields: readonly string[];
}

/** What became of a connection's bytes. */
export interface SeenStream {
  /** Complete messages, and the last one's head if only its body is unfinished. */
  readonly messages: readonly SeenMessage[];
  /** `end`: nothing left over; `incomplete`; `tunnel`; or the name of the PROBLEM. */
  readonly ending: string;
  /** Bytes before the head or body that is unfinished or refused. */
  readonly consumed: number;
}

/** How to read: what the bytes are, and for responses what they answer. */
export interface Reading {
  readonly kind: "request" | "response";
  readonly asked?: Asked;
  readonly limits?: HeadLimits;
}

const GET: Asked = { method: METHOD.get, upgrade: false };

/** Reads pieces as they would arrive. Every piece moves the unfinished head to another place in memory. */
export function readStream(reading: Reading, pieces: readonly Uint8Array[]): SeenStream {
  const reader = new Reader(reading);
  for (const piece of pieces) if (!reader.take(piece)) break;
  return reader.result();
}

/** Short form for expectations: `POST /a +5 | GET /b | !startLine`. */
export function summary({ messages, ending }: SeenStream): string {
  const words = messages.map(({ line, raw }) => line + (raw === "" ? "" : ` +${raw.length}`));
  if (ending === "incomplete" || ending === "tunnel") words.push(ending);
  else if (ending !== "end") words.push(`!${ending}`);
  return words.join(" | ");
}

/** The name of a PROBLEM code. */
export function problemName(code: number): string {
  return Object.entries(PROBLEM).find(([, value]) => value === code)?.[0] ?? `unknown ${code}`;
}

class Reader {
  readonly #reading: Reading;
  readonly #head: Head;
  readonly #framer: Framer;
  readonly #messages: SeenMessage[] = [];
  #body = "";
  #inBody = false;
  #held: Uint8Array = new Uint8Array(0);
  #ending: string | undefined;
  #pieces = 0;
  #consumed = 0;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.#head = new Head(reading.limits);
    this.#framer = new Framer(reading.kind);
  }

  /** Returns false when nothing more can be understood. */
  take(piece: Uint8Array): boolean {
    const pad = this.#pieces++ % 3;
    const bytes = Buffer.concat([Buffer.alloc(pad, "#"), this.#held, piece]);
    let at = pad;
    while (at < bytes.length && this.#ending === undefined) {
      const next = this.#inBody ? this.#eat(bytes, at) : this.#parse(bytes, at);
      if (next === 0) break;
      this.#consumed += next - at;
      at = next;
    }
    this.#held = bytes.subarray(at);
    return this.#ending === undefined;
  }

  result(): SeenStream {
    const open = this.#inBody || this.#held.length > 0;
    return {
      messages: this.#messages,
      ending: this.#ending ?? (open ? "incomplete" : "end"),
      consumed: this.#consumed,
    };
  }

  #parse(bytes: Uint8Array, at: number): number {
    const { kind, asked = GET } = this.#reading;
    const head = this.#head;
    head.feed(bytes, at, bytes.length);
    const end = kind === "request" ? parseRequest(head) : parseResponse(head);
    if (end < 0) this.#ending = problemName(end);
    if (end <= 0) return 0;
    const body: Body | Problem = kind === "request" ? requestBody(head) : responseBody(head, asked);
    if (isProblem(body)) this.#ending = problemName(body);
    if (isProblem(body)) return 0;
    this.#framer.reset(body, head.contentLength);
    this.#inBody = !this.#framer.done;
    this.#note(body === BODY.chunked);
    if (body === BODY.tunnel) this.#ending = "tunnel";
    return end;
  }

  #note(chunked: boolean): void {
    const head = this.#head;
    const text = (start: number, end: number): string => textOf(head.bytes, start, end);
    const fields: string[] = [];
    for (let i = 0; i < head.count * 4; i += 2)
      fields.push(text(head.lines[i] as number, head.lines[i + 1] as number));
    const request = this.#reading.kind === "request";
    const method = text(head.start, head.methodEnd);
    this.#messages.push({
      line: request ? `${method} ${text(head.targetStart, head.targetEnd)}` : `${head.status}`,
      minor: head.minor,
      keepAlive: head.keepAlive,
      raw: "",
      chunked,
      complete: !this.#inBody,
      fields,
    });
    this.#body = "";
  }

  #eat(bytes: Uint8Array, at: number): number {
    const next = this.#framer.eat(bytes, at, bytes.length);
    if (next < 0) this.#ending = problemName(next);
    if (next < 0) return 0;
    this.#body += textOf(bytes, at, next);
    this.#inBody = !this.#framer.done;
    const last = this.#messages.at(-1);
    if (last !== undefined)
      this.#messages.splice(-1, 1, { ...last, raw: this.#body, complete: !this.#inBody });
    return next;
  }
}
