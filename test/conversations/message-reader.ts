/**
 * Reads HTTP/1.1 messages for the clients and servers of conversations. It shares nothing with agent/http, so that
 * a mistake there is seen here; it is strict in nothing, because what it reads was written by wire.ts.
 */

/** A message as far as it was read. */
export interface Message {
  /** The first line. */
  readonly start: string;
  /** Names in lower case. */
  readonly fields: ReadonlyMap<string, string>;
  readonly content: Buffer[];
  contentBytes: number;
  trailer: string;
  complete: boolean;
  /** Its content goes on until the connection ends. */
  readonly untilEnd: boolean;
}

/** How a head says that its content is framed. */
export type Framing = "none" | "chunked" | "until-end" | { readonly length: number };

/** Says how the content behind a head is framed, by its first line and its fields. */
type FramingRule = (start: string, fields: ReadonlyMap<string, string>) => Framing;

type Place = "head" | "content" | "chunk-line" | "chunk" | "chunk-end" | "trailer";

/** Reads one message after the other. */
export class MessageReader {
  /** The message that is being read; undefined before its head is there. */
  current: Message | undefined;
  /** Bytes behind the last head or message that were not looked at yet. */
  rest: Buffer = Buffer.alloc(0);
  readonly #framingOf: FramingRule;
  #place: Place = "head";
  #left = 0;

  /** `framingOf` knows what heads alone do not tell: which request is answered. */
  constructor(framingOf: FramingRule) {
    this.#framingOf = framingOf;
  }

  /** Takes bytes in; call `step` until it returns false. */
  push(bytes: Buffer): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
  }

  /** Reads up to the next head or end of a message; false when more bytes are needed. */
  step(): boolean {
    const { current } = this;
    if (current === undefined || current.complete) return this.#head();
    while (!current.complete) if (!this.#content(current)) return false;
    return true;
  }

  #head(): boolean {
    const end = this.rest.indexOf("\r\n\r\n");
    if (end < 0) return false;
    const [start = "", ...lines] = this.rest.toString("latin1", 0, end).split("\r\n");
    this.rest = this.rest.subarray(end + 4);
    const fields = new Map<string, string>();
    for (const line of lines) {
      const colon = line.indexOf(":");
      fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
    }
    const framing = this.#framingOf(start, fields);
    this.#left = typeof framing === "object" ? framing.length : Number.POSITIVE_INFINITY;
    this.#place = framing === "chunked" ? "chunk-line" : "content";
    this.current = {
      start,
      fields,
      content: [],
      contentBytes: 0,
      trailer: "",
      complete: framing === "none" || this.#left === 0,
      untilEnd: framing === "until-end",
    };
    return true;
  }

  #content(current: Message): boolean {
    switch (this.#place) {
      case "content":
      case "chunk":
        return this.#take(current);
      case "chunk-line":
        return this.#line((line) => {
          this.#left = Number.parseInt(line, 16);
          this.#place = this.#left === 0 ? "trailer" : "chunk";
        });
      case "chunk-end":
        return this.#line(() => {
          this.#place = "chunk-line";
        });
      case "trailer":
        return this.#line((line) => {
          if (line === "") current.complete = true;
          else current.trailer += line;
        });
      case "head":
        return false;
    }
  }

  #take(current: Message): boolean {
    if (this.rest.length === 0) return false;
    const piece = this.rest.subarray(0, Math.min(this.#left, this.rest.length));
    this.rest = this.rest.subarray(piece.length);
    this.#left -= piece.length;
    current.content.push(piece);
    current.contentBytes += piece.length;
    if (this.#left > 0) return true;
    if (this.#place === "chunk") this.#place = "chunk-end";
    else current.complete = true;
    return true;
  }

  #line(use: (line: string) => void): boolean {
    const end = this.rest.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.rest.toString("latin1", 0, end);
    this.rest = this.rest.subarray(end + 2);
    use(line);
    return true;
  }
}
