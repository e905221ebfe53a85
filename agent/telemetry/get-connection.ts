/** One connection of a GetServer: a request is read when the one before is answered, so that who asks much waits. */

import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { type Answer, type GetRequest, readRequest } from "./get-request.ts";

/** A head must be there in this time after its first byte, and an answer must have been taken, milliseconds. */
const HEAD_MS = 5_000;
const TAKEN_MS = 10_000;

/** What a connection works with. */
export interface GetConnectionInputs {
  readonly socket: Socket;
  /** Makes the answer of a request, when its turn has come. Never rejects. */
  readonly answer: (request: GetRequest, connection: GetConnection) => Promise<Answer>;
  /** The bytes of a body; the same for the same text, many may wait for slow readers. */
  readonly bytesOf: (body: string) => Buffer;
  /** Something was asked. */
  readonly onRequest: () => void;
  /** How long it may be idle, milliseconds. */
  readonly idleMs: number;
}

/** One connection. */
export class GetConnection {
  readonly #inputs: GetConnectionInputs;
  #unread: Buffer = Buffer.alloc(0);
  #busy = false;
  /** The client says nothing more, though it may read. */
  #heard = false;
  #ending = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(inputs: GetConnectionInputs) {
    this.#inputs = inputs;
    const { socket, idleMs } = inputs;
    this.#within(idleMs);
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("end", () => this.#clientEnded());
    socket.on("error", () => socket.destroy());
    socket.once("close", () => clearTimeout(this.#timer));
  }

  /** Whether it is gone. */
  get destroyed(): boolean {
    return this.#inputs.socket.destroyed;
  }

  /** Where it comes from; empty for a unix socket. */
  get address(): string {
    return this.#inputs.socket.remoteAddress ?? "";
  }

  /** Ends it: at once when nothing is being answered, else with that answer. */
  end(): void {
    this.#ending = true;
    if (!this.#busy) this.destroy();
  }

  /** Ends it at once. */
  destroy(): void {
    this.#inputs.socket.destroy();
  }

  #read(bytes: Buffer): void {
    const isFirst = this.#unread.length === 0;
    this.#unread = isFirst ? bytes : Buffer.concat([this.#unread, bytes]);
    if (this.#busy) return;
    if (isFirst) this.#within(HEAD_MS);
    this.#next();
  }

  #clientEnded(): void {
    this.#heard = true;
    if (!this.#busy) this.destroy();
  }

  /** Takes the next request, if it is there. */
  #next(): void {
    const { socket } = this.#inputs;
    const reading = readRequest(this.#unread);
    if (reading.kind === "part") {
      if (this.#heard) this.destroy();
      else socket.resume();
      return;
    }
    this.#busy = true;
    socket.pause();
    clearTimeout(this.#timer);
    this.#inputs.onRequest();
    if (reading.kind === "request") {
      this.#unread = this.#unread.subarray(reading.length);
      const { request } = reading;
      void this.#inputs.answer(request, this).then((answer) => this.#send(answer, request));
    } else {
      const { status, problem } = reading;
      this.#send({ status, contentType: "text/plain", body: `${problem}\n` }, undefined);
    }
  }

  /** `request` undefined: what came was none, and nothing that follows can be read. */
  #send({ status, contentType, body }: Answer, request: GetRequest | undefined): void {
    const { socket, bytesOf } = this.#inputs;
    if (socket.destroyed) return;
    const bytes = bytesOf(body);
    const stays = request?.keepAlive === true && !this.#ending;
    const lines = [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
      `content-type: ${contentType}`,
      `content-length: ${bytes.length}`,
      ...(status === 405 ? ["allow: GET, HEAD"] : []),
      ...(stays ? [] : ["connection: close"]),
    ];
    this.#within(TAKEN_MS);
    socket.cork();
    const head = `${lines.join("\r\n")}\r\n\r\n`;
    const taken = (): void => this.#taken(stays);
    if (request?.method === "HEAD") socket.write(head, taken);
    else {
      socket.write(head);
      socket.write(bytes, taken);
    }
    socket.uncork();
  }

  #taken(stays: boolean): void {
    const { socket, idleMs } = this.#inputs;
    if (socket.destroyed) return;
    if (!stays || this.#ending) {
      // What the client still sends is read, or it would lose the answer to a reset.
      this.#unread = Buffer.alloc(0);
      socket.end();
      socket.removeAllListeners("data");
      socket.resume();
      return;
    }
    this.#busy = false;
    this.#within(this.#unread.length === 0 ? idleMs : HEAD_MS);
    // Another turn of the loop: others come first.
    setImmediate(() => {
      if (!socket.destroyed && !this.#busy) this.#next();
    });
  }

  #within(milliseconds: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), milliseconds).unref();
  }
}
