/** A TCP socket as a Channel. */

import { EAGAIN, EINTR } from "../kernel/errno.ts";
import { EPOLLERR, EPOLLHUP, EPOLLOUT } from "../kernel/socket-constants.ts";
import type { Channel, ChannelHandler, CloseCause } from "./channel.ts";
import {
  type ChannelState,
  type PlainChannelOptions,
  READ_ON,
  READABLE,
  WATCHED,
} from "./channel-state.ts";
import {
  CLOSED,
  causeOf,
  failedWith,
  isScarcity,
  MEMORY_LIMIT,
  pendingError,
  THREW,
  TIMED_OUT,
} from "./close-cause.ts";
import { CLOSE_STALL_MS, Delivery, LINGER_MS, OVER, RESET_STALL_MS } from "./delivery.ts";
import type { Leg } from "./leg.ts";
import { type Loop, READ_BYTES } from "./loop.ts";
import { Outgoing, OVER_LIMIT, QUEUED, SENT } from "./outgoing.ts";
import { Task } from "./owner.ts";
import type { ToldPatience } from "./system.ts";
import { Timer, type TimerHandler } from "./timers.ts";
import { Vigil } from "./vigil.ts";

/** Reads in one turn of work: more makes bulk cheaper and others wait longer. */
const READS_PER_TURN = 2;

/** One TCP connection. Made by listen() and connect(). */
export class PlainChannel extends Task implements Channel, TimerHandler {
  handler: ChannelHandler;
  bytesIn: number = 0;
  readonly #loop: Loop;
  readonly #fd: number;
  readonly #out: Outgoing;
  #state: ChannelState;
  #cause: CloseCause = CLOSED;
  #timer: Timer | undefined = undefined;
  #vigil: Vigil | undefined = undefined;
  /** Set once the peer was seen not to have everything at the end. */
  #delivery: Delivery | undefined = undefined;
  /** Whether onOpen has happened. */
  #opened: boolean;
  /** Whether write() still means something. */
  #writeOpen = true;
  #finAsked = false;
  #peerEnded = false;
  #paused = false;
  /** Whether write() returned false since the last onDrain. */
  #drainOwed = false;
  /** What the last events said and no system call has contradicted yet. */
  #readable = false;
  #readOn = false;
  #errorSeen = false;
  /** What a failed write said; what the peer sent before is still read and delivered first. */
  #broken: CloseCause | undefined = undefined;

  constructor(loop: Loop, options: PlainChannelOptions) {
    super(options.owner);
    this.#loop = loop;
    this.#fd = options.fd;
    this.handler = options.handler;
    this.owner.channels++;
    const timeoutMs = options.connectTimeoutMs;
    this.#opened = timeoutMs === undefined;
    this.#out = new Outgoing(loop, this, { fd: options.fd, writable: this.#opened });
    this.#state = this.#opened ? "open" : "connecting";
    const begun = options.failure ?? loop.watch(this, options.fd, WATCHED);
    if (begun < 0) this.#end(failedWith(begun));
    else if (timeoutMs !== undefined && timeoutMs > 0) this.#arm(timeoutMs);
  }

  get queuedBytes(): number {
    return this.#out.queued + this.#out.deferred;
  }

  get bytesOut(): number {
    return this.#out.bytes;
  }

  get unread(): boolean {
    return this.#readable;
  }

  get open(): boolean {
    return this.#opened;
  }

  get leg(): Leg {
    return this.#out.leg;
  }

  get vigil(): Vigil | undefined {
    if (!this.closed) this.#vigil ??= new Vigil(this.#loop.system, this.#fd);
    return this.closed ? undefined : this.#vigil;
  }

  peerPatience(netns: bigint): ToldPatience | undefined {
    return this.closed ? undefined : this.#loop.system.peerPatience(this.#fd, netns);
  }

  get closed(): boolean {
    return this.#state === "ended" || this.#state === "closed";
  }

  write(bytes: Uint8Array, start: number, end: number): boolean {
    this.sendDeferred();
    if (!this.#writeOpen || start === end) return true;
    return this.#wrote(this.#out.send(bytes, start, end));
  }

  writeSoon(bytes: Uint8Array, start: number, end: number): void {
    this.sendDeferred();
    if (!this.#writeOpen || start === end) return;
    if (!this.#out.writable || this.#out.queued > 0) {
      this.#wrote(this.#out.send(bytes, start, end));
      return;
    }
    this.#out.defer(bytes, start, end);
    this.#loop.defer(this);
  }

  sendDeferred(): void {
    if (this.#out.deferred > 0) this.#wrote(this.#out.sendDeferred());
  }

  write2(
    head: Uint8Array,
    headStart: number,
    headEnd: number,
    body: Uint8Array,
    bodyStart: number,
    bodyEnd: number,
  ): boolean {
    this.sendDeferred();
    if (!this.#writeOpen) return true;
    return this.#wrote(this.#out.send2(head, headStart, headEnd, body, bodyStart, bodyEnd));
  }

  hold(bytes: number): boolean {
    const held = this.owner.hold(bytes);
    if (!held) this.#abort(MEMORY_LIMIT);
    return held;
  }

  release(bytes: number): void {
    this.owner.release(bytes);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (this.#paused && this.#readable) this.#loop.schedule(this);
    this.#paused = false;
  }

  shutdown(): void {
    this.sendDeferred();
    if (!this.#writeOpen) return;
    this.#writeOpen = false;
    this.#finAsked = true;
    if (this.#state === "open" && this.queuedBytes === 0) this.#sendFin();
  }

  close(): void {
    this.sendDeferred();
    if (this.#state === "connecting") this.#end(CLOSED);
    if (this.#state !== "open") return;
    this.#writeOpen = false;
    this.#state = "closing";
    this.#drainOwed = false;
    if (this.queuedBytes === 0) this.#linger();
    else this.#endWhenSent();
    // What the peer sends now is discarded, whether reading was paused or not.
    if (this.#readable) this.#loop.schedule(this);
  }

  reset(): void {
    this.sendDeferred();
    this.#abort(CLOSED);
  }

  resetWhenSent(): void {
    this.sendDeferred();
    if (this.#state === "connecting") this.#end(CLOSED);
    if (this.#state !== "open") return;
    this.#writeOpen = false;
    this.#state = "resetting";
    this.#drainOwed = false;
    this.#endWhenSent();
  }

  onReady(flags: number): void {
    if ((flags & READABLE) !== 0) this.#noteReadable(flags);
    if ((flags & (EPOLLOUT | EPOLLERR | EPOLLHUP)) !== 0) this.#out.writable = true;
  }

  work(): number {
    if (this.#state === "connecting") this.#finishConnect();
    if (this.#state === "ended") return this.#tell();
    if (this.#state === "closed") return 1;
    if (this.#out.writable && this.#out.queued > 0) this.#flush();
    if (this.#readable && this.#mayRead()) return this.#read();
    return 1;
  }

  abandon(): void {
    this.#abort(THREW);
  }

  /** Of the one timer, whose meaning is the state's. */
  onTimer(): void {
    if (this.#state === "connecting") this.#end(TIMED_OUT);
    else this.#endWhenSent();
  }

  #noteReadable(flags: number): void {
    if ((flags & EPOLLERR) !== 0) this.#errorSeen = true;
    // After FIN the flags say "readable" for ever; only an error is news.
    if (this.#peerEnded && !this.#errorSeen) return;
    this.#readable = true;
    if ((flags & READ_ON) !== 0) this.#readOn = true;
  }

  #wrote(result: number): boolean {
    if (result === QUEUED) {
      this.#drainOwed = true;
      return false;
    }
    if (result === OVER_LIMIT) this.#abort(MEMORY_LIMIT);
    else if (result < 0) this.#break(result);
    return true;
  }

  /** A write failed for good. The peer's last bytes may still be there to read. */
  #break(result: number): void {
    this.#broken = causeOf(result);
    this.#writeOpen = false;
    this.#out.clear();
    this.#readable = true;
    this.#readOn = true;
    this.#loop.schedule(this);
  }

  #flush(): void {
    const result = this.#out.flush();
    if (result === SENT) this.#flushed();
    else if (result < 0) this.#break(result);
  }

  #flushed(): void {
    if (this.#state === "closing") this.#linger();
    else if (this.#state === "resetting") this.#endWhenSent();
    else if (this.#finAsked && !this.#out.finSent) this.#sendFin();
    if (!this.#drainOwed || this.closed) return;
    this.#drainOwed = false;
    this.handler.onDrain(this);
  }

  #sendFin(): void {
    const result = this.#out.sendFin();
    if (result < 0) this.#break(result);
    else if (this.#peerEnded) this.#linger();
  }

  /** FIN goes out; closing before the peer's FIN would turn its unread bytes into a RST that may eat ours. */
  #linger(): void {
    this.#state = "lingering";
    if (!this.#out.finSent) this.#sendFin();
    else if (this.#peerEnded) this.#endWhenSent();
    if (this.#state === "lingering" && !this.#peerEnded) this.#arm(LINGER_MS);
  }

  /** An end told before the peer has everything may cost it the rest: a pod that leaves the mesh loses the way back. */
  #endWhenSent(): void {
    const unsent = this.#out.unsentBytes();
    const patienceMs = this.#state === "resetting" ? RESET_STALL_MS : CLOSE_STALL_MS;
    if (unsent > 0) this.#delivery ??= new Delivery(patienceMs);
    const pauseMs = this.#delivery?.look(unsent, this.#loop.now) ?? OVER;
    if (pauseMs !== OVER) this.#arm(pauseMs);
    else if (this.#state === "lingering") this.#end(CLOSED);
    else this.#abort(this.#state === "closing" ? TIMED_OUT : CLOSED);
  }

  /** Paused channels learn of an error only when nothing is left to read: data comes before the reset. */
  #mayRead(): boolean {
    if (this.#state === "closing" || this.#state === "lingering") return true;
    if (!this.#paused && this.#state === "open") return true;
    if (this.closed) return false;
    if (!this.#errorSeen && this.#broken === undefined) return false;
    return this.#state === "resetting" || this.#loop.system.unreadBytes(this.#fd) <= 0;
  }

  #read(): number {
    const { system, readBuffer } = this.#loop;
    let cost = 1;
    for (let i = 0; i < READS_PER_TURN; i++) {
      const n = system.read(this.#fd, readBuffer, 0, READ_BYTES);
      if (n <= 0) {
        this.#nothingRead(n);
        return cost;
      }
      cost += n >> 14;
      this.bytesIn += n;
      // A short read took all there was: the next edge will tell of more.
      if (n < READ_BYTES && !this.#readOn) this.#readable = false;
      if (this.#state === "open") this.handler.onData(this, readBuffer, 0, n);
      if (!this.#readable || this.closed || !this.#mayRead()) return cost;
    }
    this.#loop.schedule(this);
    return cost;
  }

  #nothingRead(result: number): void {
    if (result === -EINTR) this.#loop.schedule(this);
    else if (isScarcity(result)) this.#loop.scheduleAfterScarcity(this);
    else this.#nothingLeft(result);
  }

  #nothingLeft(result: number): void {
    this.#readable = false;
    this.#readOn = false;
    if (this.#broken !== undefined) this.#end(this.#broken);
    else if (result === -EAGAIN) return;
    else if (result < 0) this.#end(causeOf(result));
    else if (!this.#peerEnded) this.#peerEnd();
    else if (this.#state === "lingering" && this.#errorSeen)
      this.#end(causeOf(pendingError(this.#loop.system, this.#fd)));
  }

  #peerEnd(): void {
    this.#peerEnded = true;
    if (this.#state === "lingering") this.#endWhenSent();
    if (this.#state !== "open") return;
    this.handler.onEnd(this);
    if (this.#out.finSent && this.#state === "open") this.#linger();
  }

  #finishConnect(): void {
    if (!this.#out.writable) return;
    const error = this.#errorSeen ? pendingError(this.#loop.system, this.#fd) : 0;
    if (error !== 0) {
      this.#end(failedWith(error));
      return;
    }
    this.#state = "open";
    this.#opened = true;
    this.#loop.cancel(this.#timer);
    this.handler.onOpen(this);
    if (this.#state === "open" && this.#finAsked && !this.#out.finSent && this.queuedBytes === 0)
      this.#sendFin();
  }

  /** RST to the peer, then the end. */
  #abort(cause: CloseCause): void {
    if (this.closed) return;
    if (this.#state !== "connecting") this.#loop.system.lingerZero(this.#fd);
    this.#finish(cause);
  }

  /**
   * The descriptor goes; onClose follows from the loop. Only an orderly end may look like one to the peer:
   * after anything else a FIN would make a cut stream look complete.
   */
  #end(cause: CloseCause): void {
    if (cause === CLOSED) this.#finish(cause);
    else this.#abort(cause);
  }

  #finish(cause: CloseCause): void {
    if (this.closed) return;
    this.#state = "ended";
    this.#cause = cause;
    this.#writeOpen = false;
    this.#loop.cancel(this.#timer);
    this.#out.end();
    this.owner.channels--;
    if (this.#fd >= 0) this.#loop.release(this.#fd);
    this.#loop.schedule(this);
  }

  #tell(): number {
    this.#state = "closed";
    this.handler.onClose(this, this.#cause);
    return 1;
  }

  #arm(delayMs: number): void {
    this.#timer ??= new Timer(this);
    this.#loop.arm(this.#timer, delayMs);
  }
}
