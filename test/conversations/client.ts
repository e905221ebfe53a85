/** A client connection of a conversation: sends what the conversation says, and notes what comes back. */

import net from "node:net";
import type { Client, Request, Stream } from "./conversation.ts";
import { type Framing, type Message, MessageReader } from "./message-reader.ts";
import type { ClientEnd, ClientSeen } from "./observation.ts";
import { inPieces, pause, resetSocket, Wake } from "./wake.ts";
import { bodyOf, requestBytes } from "./wire.ts";

/** How long a client waits for `100 Continue` before it sends its content anyway. */
const CONTINUE_MS = 100;
const READ_BYTES = 65_536;

/** Where a client connects, and from where. */
export interface Dial {
  readonly host: string;
  readonly port: number;
  readonly localAddress: string;
}

/** Holds one client's part; resolves when its connection has ended, at the latest after `patience` milliseconds. */
export async function talk(
  client: Client,
  index: number,
  dial: Dial,
  patience: number,
): Promise<ClientSeen> {
  return new Talk(client, index, dial).run(patience);
}

class Talk {
  readonly #client: Client;
  readonly #index: number;
  readonly #socket: net.Socket;
  readonly #wake: Wake = new Wake();
  readonly #reader: MessageReader;
  readonly #seen: ClientSeen = {
    answers: [],
    leftover: 0,
    stream: { bytes: 0, right: true },
    end: "silence",
    sent: 0,
    errno: "",
  };
  readonly #interim: string[] = [];
  #over = false;
  #finished = false;
  /** Answers that came whole. */
  #whole = 0;
  /** Bytes that were read. */
  #got = 0;
  #wasDeaf = false;
  /** Set once bytes are a stream's. */
  #expected: Buffer | undefined;

  constructor(client: Client, index: number, dial: Dial) {
    this.#client = client;
    this.#index = index;
    this.#reader = new MessageReader((start, fields) => this.#framing(start, fields));
    // Straight from the kernel: what waits in the stream of a paused socket is lost when the connection is reset.
    const onread = { buffer: Buffer.alloc(READ_BYTES), callback: this.#read.bind(this) };
    this.#socket = net.connect({ ...dial, allowHalfOpen: true, noDelay: true, onread });
  }

  async run(patience: number): Promise<ClientSeen> {
    const timer = setTimeout(() => this.#end("silence"), patience);
    this.#listen();
    const { stream } = this.#client;
    if (stream !== undefined) await this.#bytes(stream, 0, stream.first === "server");
    else await this.#requests();
    await this.#wake.until(() => this.#over);
    clearTimeout(timer);
    this.#socket.destroy();
    this.#seen.leftover = this.#reader.rest.length;
    return this.#seen;
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on("end", () => {
      this.#over = true;
      this.#seen.end = "fin";
      socket.end();
      this.#wake.wake();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#seen.errno = error.code ?? error.message;
      this.#end(error.code === "ECONNREFUSED" ? "refused" : "reset");
    });
    this.#deafen();
  }

  /** Reads nothing for a while, once it is time for that. */
  #deafen(): void {
    const { deaf, deafFrom = 0 } = this.#client;
    if (deaf === undefined || this.#wasDeaf || this.#got < deafFrom) return;
    this.#wasDeaf = true;
    this.#socket.pause();
    setTimeout(() => this.#socket.resume(), deaf);
  }

  #end(how: ClientEnd): void {
    if (!this.#over || (how === "reset" && this.#seen.end === "fin" && !this.#finished))
      this.#seen.end = how;
    this.#over = true;
    this.#wake.wake();
  }

  async #requests(): Promise<void> {
    const { requests, pipelined, leave } = this.#client;
    for (const [at, request] of requests.entries()) {
      if (!pipelined) await this.#wake.until(() => this.#over || this.#whole >= at);
      if (this.#over || this.#closed()) return;
      if (!(await this.#send(request, at)) || (await this.#stream(request, at))) return;
    }
    if (leave.kind === "half") this.#finish();
    await this.#wake.until(() => this.#over || this.#whole >= requests.length || this.#closed());
    if (this.#over || this.#closed()) return;
    if (leave.kind === "done") this.#finish();
    else if (leave.kind === "done-reset") this.#reset();
  }

  /** Whether a stream has followed the request, which ends the connection. */
  async #stream({ answer: { stream } }: Request, at: number): Promise<boolean> {
    if (stream === undefined) return false;
    await this.#wake.until(() => this.#over || this.#whole > at);
    // Refused instead.
    if (this.#expected === undefined) return false;
    await this.#bytes(stream, at, false);
    return true;
  }

  /** The server has said that this was its last answer: its end is awaited. */
  #closed(): boolean {
    const last = this.#seen.answers.at(-1)?.message;
    return last?.complete === true && last.fields.get("connection") === "close";
  }

  /** Sends one request; false when the client left meanwhile. */
  async #send(request: Request, at: number): Promise<boolean> {
    const { head, body } = requestBytes(request, this.#index, at);
    if (!request.expect) return this.#write(Buffer.concat([head, body]));
    if (!(await this.#write(head))) return false;
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#wake.wake();
    }, CONTINUE_MS);
    await this.#wake.until(
      () => late || this.#over || this.#interim.includes("100") || this.#seen.answers.length > at,
    );
    clearTimeout(timer);
    return this.#write(body);
  }

  /** False when the client left, or was left, meanwhile. */
  async #write(bytes: Buffer): Promise<boolean> {
    const { leave } = this.#client;
    return inPieces(bytes, this.#client, async (piece) => {
      if (this.#over) return false;
      const left = leave.kind === "at" ? leave.bytes - this.#seen.sent : Number.POSITIVE_INFINITY;
      const part = piece.subarray(0, left);
      this.#seen.sent += part.length;
      await this.#flush(part);
      if (leave.kind !== "at" || this.#seen.sent < leave.bytes) return true;
      await pause(leave.after);
      if (leave.how === "fin") this.#finish();
      else this.#reset();
      return false;
    });
  }

  /** Until the kernel has it: a reset would take back the rest. */
  async #flush(bytes: Buffer): Promise<void> {
    let taken = false;
    this.#socket.write(bytes, () => {
      taken = true;
      this.#wake.wake();
    });
    await this.#wake.until(() => taken || this.#over);
  }

  #finish(): void {
    this.#finished = true;
    this.#socket.end();
  }

  #reset(): void {
    if (this.#over) return;
    this.#end("own-reset");
    resetSocket(this.#socket);
  }

  async #bytes({ up, down, end }: Stream, request: number, wait: boolean): Promise<void> {
    this.#expected ??= bodyOf({ client: this.#index, request, side: "server" }, down);
    const all = (): boolean => this.#over || this.#seen.stream.bytes >= down;
    if (wait) await this.#wake.until(all);
    if (up > 0 && !this.#over)
      await this.#flush(bodyOf({ client: this.#index, request, side: "client" }, up));
    if (end !== "client-fin" && end !== "client-reset") return;
    await this.#wake.until(all);
    if (end === "client-fin") this.#finish();
    else {
      await pause(1);
      this.#reset();
    }
  }

  /** Hears of the bytes in a buffer that the next read writes over. Nobody is to be paused by its result. */
  #read(length: number, buffer: Uint8Array): boolean {
    if (this.#over) return true;
    const data = Buffer.from(buffer.subarray(0, length));
    this.#got += length;
    this.#deafen();
    if (this.#expected !== undefined) this.#streamed(data);
    else {
      this.#reader.push(data);
      this.#messages();
    }
    this.#wake.wake();
    return true;
  }

  #messages(): void {
    if (this.#client.stream !== undefined) return;
    const goesOn = (): boolean =>
      this.#whole < this.#client.requests.length && this.#expected === undefined && !this.#over;
    while (goesOn() && this.#reader.step())
      if (this.#reader.current !== undefined) this.#message(this.#reader.current);
  }

  /** Some more of a message is there: its head or its end. */
  #message(message: Message): void {
    const status = statusOf(message.start);
    if (!message.start.startsWith("HTTP/1.1 ")) {
      // What clients do that can't make sense of an answer.
      this.#seen.answers.push({ message, interim: [] });
      this.#reset();
    } else if (status < 200 && status !== 101) this.#interim.push(String(status));
    else {
      if (this.#seen.answers.at(-1)?.message !== message)
        this.#seen.answers.push({ message, interim: this.#interim.splice(0) });
      if (message.complete) this.#answered(message);
    }
  }

  #answered(message: Message): void {
    const request = this.#whole++;
    const stream = this.#client.requests[request]?.answer.stream;
    if (stream === undefined || message.fields.has("x-nodemesh-reason")) return;
    this.#expected = bodyOf({ client: this.#index, request, side: "server" }, stream.down);
    this.#streamed(this.#reader.rest);
    this.#reader.rest = Buffer.alloc(0);
  }

  #streamed(data: Buffer): void {
    const { stream } = this.#seen;
    const expected = this.#expected?.subarray(stream.bytes, stream.bytes + data.length);
    stream.right &&= expected !== undefined && data.equals(expected);
    stream.bytes += data.length;
  }

  #framing(start: string, fields: ReadonlyMap<string, string>): Framing {
    const status = statusOf(start);
    const request = this.#client.requests[this.#whole];
    if (status < 200 || status === 204 || status === 304 || request?.method === "HEAD")
      return "none";
    if (request?.answer.stream !== undefined && !fields.has("x-nodemesh-reason")) return "none";
    if (fields.get("transfer-encoding") === "chunked") return "chunked";
    const length = fields.get("content-length");
    return length === undefined ? "until-end" : { length: Number(length) };
  }
}

/** The status of an answer's first line. */
function statusOf(start: string): number {
  return Number(start.slice(9, 12));
}
