/** A server of a conversation: does with each request what the conversation says. */

import net from "node:net";
import type { Answer, Conversation, Request, Stream } from "./conversation.ts";
import { type Framing, MessageReader } from "./message-reader.ts";
import type { RequestSeen, ServedSeen } from "./observation.ts";
import { inPieces, pause, resetSocket, Wake } from "./wake.ts";
import { answerBytes, bodyOf, MAX_BODY } from "./wire.ts";

/** Who fills backlogs connects from here, so that it is no client. */
export const FILLER = "127.99.0.1";

/** How long a server that ends `late` tidies up. */
export const LATE_MS = 30;

/** What all servers of one conversation share. */
export interface Common {
  readonly conversation: Conversation;
  readonly served: ServedSeen[];
  /** `client/request` → how often a server saw it. */
  readonly times: Map<string, number>;
  /** Milliseconds since the conversation began. */
  readonly now: () => number;
  /** A connection has ended. */
  readonly wake: Wake;
}

/** One endpoint that listens. */
export class Server {
  readonly #server: net.Server;
  readonly #open: Set<Served> = new Set();
  readonly #queue: Served[] = [];
  /** Closes the listening socket before it was listened on. */
  readonly #giveUp: () => void;
  #opening: NodeJS.Timeout | undefined;

  /** Its listening socket: `fd`, and how to close it when nobody has listened on it yet. */
  constructor(common: Common, endpoint: number, fd: number, giveUp: () => void) {
    this.#giveUp = giveUp;
    const { takes, full } = common.conversation.endpoints[endpoint] ?? {};
    const one = takes === "one";
    this.#server = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
      if (socket.remoteAddress === FILLER) {
        socket.destroy();
        return;
      }
      const served = new Served(common, endpoint, socket);
      this.#open.add(served);
      this.#queue.push(served);
      socket.on("close", () => {
        this.#open.delete(served);
        if (one) this.#startNext();
        common.wake.wake();
      });
      if (!one || this.#open.size === 1) this.#startNext();
    });
    if (full === undefined) this.#server.listen({ fd });
    else this.#opening = setTimeout(() => this.#makeRoom(fd), full);
  }

  /** Connections that have not ended. */
  get open(): number {
    return this.#open.size;
  }

  /** Resets all connections and listens no more. */
  die(): void {
    if (this.#opening === undefined) this.#server.close();
    else {
      clearTimeout(this.#opening);
      this.#opening = undefined;
      this.#giveUp();
    }
    for (const one of [...this.#open]) one.reset();
  }

  /** From now on there is room in its backlog. */
  #makeRoom(fd: number): void {
    this.#opening = undefined;
    this.#server.listen({ fd });
  }

  #startNext(): void {
    const next = this.#queue.shift();
    if (next !== undefined && !this.#open.has(next)) this.#startNext();
    else next?.start();
  }
}

/** One connection of a server. */
class Served {
  readonly #common: Common;
  readonly #socket: net.Socket;
  readonly #seen: ServedSeen;
  readonly #reader: MessageReader = new MessageReader(requestFraming);
  readonly #wake: Wake = new Wake();
  /** Once a stream has begun: whose, and its bytes. */
  #stream: { readonly expected: Buffer } | undefined;
  #closing = false;

  constructor(common: Common, endpoint: number, socket: net.Socket) {
    this.#common = common;
    this.#socket = socket;
    this.#seen = {
      endpoint,
      requests: [],
      stream: { bytes: 0, right: true },
      end: "open",
      openedAt: common.now(),
      endedAt: 0,
    };
    common.served.push(this.#seen);
    socket.setNoDelay(true);
    socket.on("error", ({ code }: NodeJS.ErrnoException) => {
      // Writing once more to a socket that has ended says nothing about its peer.
      if (code === "ECONNRESET" || code === "EPIPE") this.#ended("reset");
    });
    socket.on("close", () => this.#ended("own"));
  }

  start(): void {
    this.#socket.on("data", (data: Buffer) => {
      if (this.#stream !== undefined) this.#streamed(data);
      else if (!this.#closing) this.#reader.push(data);
      this.#wake.wake();
    });
    this.#socket.on("end", () => this.#ended("fin"));
    this.#socket.resume();
    const bytes = this.#common.conversation.clients[0]?.stream;
    void (bytes === undefined ? this.#serve() : this.#serveBytes(bytes));
  }

  reset(): void {
    this.#ended("own");
    resetSocket(this.#socket);
  }

  #ended(how: ServedSeen["end"]): void {
    if (this.#seen.end === "open") {
      this.#seen.end = how;
      this.#seen.endedAt = this.#common.now();
    }
    // A reset behind the end of the peer's direction is the stronger word.
    if (how === "reset" && this.#seen.end === "fin") this.#seen.end = how;
    this.#wake.wake();
    this.#common.wake.wake();
  }

  get #over(): boolean {
    return this.#seen.end !== "open" || this.#closing;
  }

  async #serve(): Promise<void> {
    for (;;) {
      await this.#wake.until(() => this.#reader.step() || this.#over);
      const message = this.#reader.current;
      if (this.#closing) return;
      if (message === undefined || message === this.#served) {
        this.#end();
        return;
      }
      this.#served = message;
      await this.#request(message.fields.get("x-mark"));
    }
  }

  #served: unknown;

  async #request(mark: string | undefined): Promise<void> {
    const [client = -1, at = -1] = (mark ?? "").split("/").map(Number);
    const request = this.#common.conversation.clients[client]?.requests[at];
    if (request === undefined) throw new Error(`a request that nobody sent: ${mark}`);
    const key = `${client}/${at}`;
    const times = (this.#common.times.get(key) ?? 0) + 1;
    this.#common.times.set(key, times);
    const seen: RequestSeen = { client, request: at, complete: false, bytes: 0, right: true };
    this.#seen.requests.push(seen);
    const answer = scriptOf(request, times);
    const asked = answer.interim[0] === 100;
    if (asked) await this.#interim(100, seen);
    if (answer.when === "whole" && !(await this.#content(seen))) return;
    if (answer.hang) {
      await this.#content(seen);
      await this.#wake.until(() => this.#seen.end !== "open");
      this.#end();
      return;
    }
    await this.#answer(answer, request, seen);
    if (answer.when === "head" && !this.#closing) await this.#content(seen);
  }

  /** Reads the rest of a request; false when it does not come whole. */
  async #content(seen: RequestSeen): Promise<boolean> {
    const message = this.#reader.current;
    if (message === undefined) return false;
    await this.#wake.until(() => {
      if (!message.complete) this.#reader.step();
      return message.complete || this.#over;
    });
    seen.complete = message.complete;
    seen.bytes = message.contentBytes;
    const speaker = { client: seen.client, request: seen.request, side: "client" } as const;
    const content = Buffer.concat(message.content);
    seen.right = content.equals(bodyOf(speaker, Math.min(content.length, MAX_BODY)));
    if (!message.complete) this.#end();
    return message.complete;
  }

  async #answer(answer: Answer, request: Request, seen: RequestSeen): Promise<void> {
    if (answer.delay > 0) await pause(answer.delay);
    for (const status of answer.interim) if (status !== 100) await this.#interim(status, seen);
    const bodiless = request.method === "HEAD";
    const { head, body } = answerBytes(answer, seen.client, seen.request, bodiless);
    const surplus = "S".repeat(answer.surplus ?? 0);
    const all = Buffer.concat([head, body, Buffer.from(surplus)]);
    if (surplus !== "") this.#seen.surplusAfter = this.#seen.requests.length;
    await this.#write(answer, answer.cut === undefined ? all : all.subarray(0, answer.cut.at));
    if (answer.cut?.how === "reset") {
      await pause(0);
      this.reset();
    } else if (answer.cut !== undefined) this.#end();
    else if (answer.stream !== undefined)
      await this.#streamOn(answer.stream, seen.client, seen.request);
    else if (answer.after === "late") {
      this.#closing = true;
      await pause(LATE_MS);
      this.#end();
    } else if (answer.after !== "keep") this.#end();
  }

  async #interim(status: number, { client, request }: RequestSeen): Promise<void> {
    this.#socket.write(`HTTP/1.1 ${status} Wait\r\nX-Mark: ${client}/${request}\r\n\r\n`);
    await pause(0);
  }

  async #write(answer: Answer, bytes: Buffer): Promise<void> {
    await inPieces(bytes, answer, async (piece) => {
      if (this.#socket.destroyed) return false;
      if (this.#socket.write(piece)) return true;
      await new Promise<void>((resolve) => {
        this.#socket.once("drain", resolve);
        this.#socket.once("close", resolve);
      });
      return true;
    });
  }

  /** Ends its direction; what the client still sends is read and forgotten. */
  #end(): void {
    this.#closing = true;
    this.#socket.end();
  }

  async #serveBytes(stream: NonNullable<Conversation["clients"][0]["stream"]>): Promise<void> {
    this.#stream = { expected: bodyOf({ client: 0, request: 0, side: "client" }, stream.up) };
    if (stream.first === "client")
      await this.#wake.until(() => this.#seen.stream.bytes > 0 || this.#over);
    await this.#streamOn(stream, 0, 0);
  }

  async #streamOn({ up, down, end }: Stream, client: number, request: number): Promise<void> {
    this.#stream ??= { expected: bodyOf({ client, request, side: "client" }, up) };
    if (this.#reader.rest.length > 0) this.#streamed(this.#reader.rest);
    this.#socket.write(bodyOf({ client, request, side: "server" }, down));
    const all = (): boolean => this.#seen.end !== "open" || this.#seen.stream.bytes >= up;
    if (end === "server-fin" || end === "server-reset") {
      await this.#wake.until(all);
      await pause(1);
      if (end === "server-reset") this.reset();
    }
    if (end === "client-fin" || end === "client-reset")
      await this.#wake.until(() => this.#seen.end !== "open");
    this.#end();
  }

  #streamed(data: Buffer): void {
    const { stream } = this.#seen;
    const expected = this.#stream?.expected.subarray(stream.bytes, stream.bytes + data.length);
    stream.right &&= expected !== undefined && data.equals(expected);
    stream.bytes += data.length;
  }
}

/** What the server does when it sees the request for the `times`th time. */
function scriptOf({ answer }: Request, times: number): Answer {
  if (!answer.flaky || times === 1) return answer;
  const { cut: _cut, flaky: _flaky, ...whole } = answer;
  return whole;
}

function requestFraming(_start: string, fields: ReadonlyMap<string, string>): Framing {
  if (fields.get("transfer-encoding") === "chunked") return "chunked";
  const length = fields.get("content-length");
  return length === undefined ? "none" : { length: Number(length) };
}
