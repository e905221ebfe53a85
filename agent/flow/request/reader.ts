/** Reads requests out of a client connection's bytes: heads, the ends of bodies, and what must wait its turn. */

import { requestBody } from "../../http/h1/body-kind.ts";
import { BODY } from "../../http/h1/codes.ts";
import { Framer } from "../../http/h1/framer.ts";
import type { Head } from "../../http/h1/head.ts";
import { parseRequest } from "../../http/h1/parse-head.ts";
import type { HeadPool } from "../../transport/head-pool.ts";
import { HeldBytes, type Holder } from "../../transport/held-bytes.ts";

/** What was read. */
export type Read =
  /** A request with the first bytes of its body, `[bodyStart, bodyEnd)`; the head is the reader's caller's now. */
  | {
      readonly kind: "request";
      readonly head: Head;
      readonly bodyStart: number;
      readonly bodyEnd: number;
      readonly whole: boolean;
    }
  /** The head is not complete. */
  | { readonly kind: "more" }
  /** A PROBLEM of the codec. */
  | { readonly kind: "problem"; readonly problem: number };

const MORE: Read = { kind: "more" };

/** The reader of one client connection. */
export class Reader {
  readonly #heads: HeadPool;
  #head: Head | undefined;
  /** Made for the first request with a body: most connections never have one. Done between bodies. */
  #framer: Framer | undefined;
  /** Bytes that wait: of an unfinished head, or behind the request that is being carried. */
  readonly held: HeldBytes;

  /** `holder`: the client's channel. */
  constructor(heads: HeadPool, holder: Holder) {
    this.#heads = heads;
    this.held = new HeldBytes(holder);
  }

  /** Whether the current request's body goes on. */
  get inBody(): boolean {
    return this.#framer?.done === false;
  }

  /** Reads a request at the beginning of `[start, end)`: all bytes of it that have come. */
  request(buffer: Uint8Array, start: number, end: number): Read {
    const head = this.#head ?? this.#heads.take();
    this.#head = head;
    head.feed(buffer, start, end);
    const bodyStart = parseRequest(head);
    if (bodyStart === 0) return MORE;
    if (bodyStart < 0) return { kind: "problem", problem: bodyStart };
    const kind = requestBody(head);
    if (kind !== BODY.none) {
      this.#framer ??= new Framer("request");
      this.#framer.reset(kind, head.contentLength);
    }
    const bodyEnd = this.body(buffer, bodyStart, end);
    if (bodyEnd < 0) return { kind: "problem", problem: bodyEnd };
    this.#head = undefined;
    return { kind: "request", head, bodyStart, bodyEnd, whole: !this.inBody };
  }

  /** The offset behind the bytes of `[start, end)` that belong to the current request's body, or a PROBLEM. */
  body(buffer: Uint8Array, start: number, end: number): number {
    return this.#framer === undefined ? start : this.#framer.eat(buffer, start, end);
  }

  /** Nothing more is read. */
  dispose(): void {
    if (this.#head !== undefined) this.#heads.give(this.#head);
    this.#head = undefined;
    this.held.clear();
  }
}
