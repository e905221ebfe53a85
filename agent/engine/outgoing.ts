/** The sending half of a socket: what the kernel takes now, and the queue of what it did not. */

import { EAGAIN, EINTR } from "../kernel/errno.ts";
import { isScarcity } from "./close-cause.ts";
import { Leg } from "./leg.ts";
import type { Loop } from "./loop.ts";
import type { Task } from "./owner.ts";
import { SendQueue } from "./send-queue.ts";

/** The kernel took everything. */
export const SENT = 1;
/** Something waits in the queue. */
export const QUEUED = 0;
/** The queue would have gone over a memory limit; not an errno. Any other negative result is one. */
export const OVER_LIMIT = -100_000;

/** One socket's sending half. Results are SENT, QUEUED, OVER_LIMIT or the negative errno of a broken socket. */
export class Outgoing {
  /** Bytes that the kernel has taken. */
  bytes: number = 0;
  /** Whether the kernel may take bytes: false from a refused or partial write until EPOLLOUT. */
  writable: boolean;
  /** Whether FIN went out. */
  finSent: boolean = false;
  readonly fd: number;
  /** Whether the connection was begun here. */
  readonly dialled: boolean;
  readonly #loop: Loop;
  readonly #task: Task;
  #leg: Leg | undefined = undefined;
  #queue: SendQueue | undefined = undefined;
  /** What is promised to be sent in this turn: `[#soonStart, #soonEnd)`. */
  #soon: Uint8Array | undefined = undefined;
  #soonStart = 0;
  #soonEnd = 0;

  constructor(loop: Loop, task: Task, socket: { readonly fd: number; readonly writable: boolean }) {
    this.#loop = loop;
    this.#task = task;
    this.fd = socket.fd;
    this.dialled = !socket.writable;
    this.writable = socket.writable;
  }

  /** Bytes waiting in the queue. */
  get queued(): number {
    return this.#queue === undefined ? 0 : this.#queue.length;
  }

  /** Bytes waiting for the end of the turn. */
  get deferred(): number {
    return this.#soon === undefined ? 0 : this.#soonEnd - this.#soonStart;
  }

  /** Remembers bytes for sendDeferred(); nothing may be deferred yet. They must stay as they are until then. */
  defer(bytes: Uint8Array, start: number, end: number): void {
    this.#soon = bytes;
    this.#soonStart = start;
    this.#soonEnd = end;
  }

  /** Sends or queues what was deferred. */
  sendDeferred(): number {
    const bytes = this.#soon;
    if (bytes === undefined) return SENT;
    this.#soon = undefined;
    return this.send(bytes, this.#soonStart, this.#soonEnd);
  }

  /** Sends or queues bytes `[start, end)`. */
  send(bytes: Uint8Array, start: number, end: number): number {
    let sent = 0;
    if (this.writable && this.queued === 0) {
      const length = end - start;
      sent = this.#took(this.#loop.system.write(this.fd, bytes, start, length), length);
      if (sent === length) return SENT;
      if (sent < 0) return sent;
    }
    return this.#enqueue(bytes, start + sent, end);
  }

  /** Sends or queues two pieces, by one writev. */
  send2(
    head: Uint8Array,
    headStart: number,
    headEnd: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
  ): number {
    if (bodyStart === bodyEnd) return this.send(head, headStart, headEnd);
    const headLength = headEnd - headStart;
    let sent = 0;
    if (this.writable && this.queued === 0) {
      const segments = this.#loop.chunks.segments;
      segments.count = 0;
      segments.add(head, headStart, headEnd);
      segments.add(body, bodyStart, bodyEnd);
      const length = headLength + bodyEnd - bodyStart;
      sent = this.#took(this.#loop.system.writev(this.fd, segments), length);
      if (sent === length) return SENT;
      if (sent < 0) return sent;
    }
    if (sent < headLength) {
      const queued = this.#enqueue(head, headStart + sent, headEnd);
      if (queued < 0) return queued;
    }
    return this.#enqueue(body, bodyStart + Math.max(0, sent - headLength), bodyEnd);
  }

  /** One writev of the queue; SENT when it is empty now. */
  flush(): number {
    const queue = this.#queue;
    if (queue === undefined || queue.length === 0) return SENT;
    const result = queue.flush(this.#loop.system, this.fd);
    const sent = this.#took(result, queue.offered);
    if (sent < 0) return sent;
    if (queue.length === 0) return SENT;
    // All pieces of a full vector went: there may be room for more.
    if (sent > 0 && this.writable) this.#loop.schedule(this.#task);
    return QUEUED;
  }

  /** Half-closes; everything must have been sent. 0 or the negative errno. */
  sendFin(): number {
    this.finSent = true;
    return this.#loop.system.shutdown(this.fd);
  }

  /** What the kernel knows of the way; made when it is first asked for. */
  get leg(): Leg {
    this.#leg ??= new Leg(this.#loop, this);
    return this.#leg;
  }

  /** Bytes that the peer has not acknowledged (one system call). FIN, which the kernel counts as a byte, is none. */
  unsentBytes(): number {
    if (this.#leg?.arrived === true) return this.queued + this.deferred;
    const inKernel = this.#loop.system.unsentBytes(this.fd) - (this.finSent ? 1 : 0);
    return this.queued + this.deferred + Math.max(0, inKernel);
  }

  /** Forgets the queue and what was deferred, and gives its memory back. */
  clear(): void {
    this.#soon = undefined;
    this.#queue?.clear();
  }

  /** The channel ends: its figures are told, its memory is given back. The socket is still there. */
  end(): void {
    this.#leg?.end();
    this.clear();
  }

  /** How many bytes the kernel took; a negative errno when the socket is broken. */
  #took(result: number, offered: number): number {
    if (result >= 0) {
      this.bytes += result;
      if (result < offered) this.writable = false;
      return result;
    }
    if (result === -EAGAIN) this.writable = false;
    else if (result === -EINTR) this.#loop.schedule(this.#task);
    else if (isScarcity(result)) this.#loop.scheduleAfterScarcity(this.#task);
    else return result;
    return 0;
  }

  #enqueue(bytes: Uint8Array, start: number, end: number): number {
    this.#queue ??= new SendQueue(this.#loop.chunks, this.#task.owner);
    if (!this.#queue.push(bytes, start, end)) return OVER_LIMIT;
    return this.#queue.length === 0 ? SENT : QUEUED;
  }
}
