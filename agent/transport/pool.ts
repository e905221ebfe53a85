/** Idle upstream connections of one pod towards one endpoint that other client connections may ride on. */

import { Timer, type TimerHandler } from "../engine/timers.ts";

/** What a pool keeps. */
export interface Poolable {
  /** Something came from the server meanwhile: its end, or an answer that nobody asked for. */
  readonly unread: boolean;
  /** Closes the idle connection. The pool has already forgotten it. */
  close(): void;
}

/** Timers by the loop's clock. */
export interface PoolTimers {
  arm(timer: Timer, delayMs: number): void;
  cancel(timer: Timer): void;
}

/** What a pool needs from outside. */
export interface PoolInputs {
  readonly timers: PoolTimers;
  /** The loop's clock, milliseconds. */
  readonly now: () => number;
  /** How long a connection may be ridden on after its own client has left it, milliseconds. */
  readonly rideMs: number;
}

/** Most idle connections kept per pod and endpoint: beyond it, closing is cheaper than the memory. */
const MAX_IDLE = 256;

interface Entry<Connection> {
  readonly connection: Connection;
  /** Clock time (ms) after which it is closed. */
  readonly until: number;
}

/**
 * A stack, newest first: the connection used last is the likeliest to be alive still. A connection may be ridden on
 * for a bounded time from the moment in which its own client left it, however often it is used meanwhile: a server
 * that serves one connection at a time must not wait for a client that has gone.
 */
export class UpstreamPool<Connection extends Poolable> implements TimerHandler {
  readonly #inputs: PoolInputs;
  readonly #idle: Entry<Connection>[] = [];
  readonly #timer: Timer = new Timer(this);

  constructor(inputs: PoolInputs) {
    this.#inputs = inputs;
  }

  /** Connections waiting for a request. */
  get idle(): number {
    return this.#idle.length;
  }

  /** Takes the newest connection out. Ones with something unread stay: their own turn comes. */
  take(): Entry<Connection> | undefined {
    const now = this.#inputs.now();
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      const entry = this.#idle[at] as Entry<Connection>;
      if (entry.until <= now || entry.connection.unread) continue;
      if (at === this.#idle.length - 1) this.#idle.pop();
      else this.#idle.splice(at, 1);
      return entry;
    }
    return undefined;
  }

  /** Its own client has turned elsewhere or ended: anybody may ride on it for a while. */
  share(connection: Connection): void {
    this.putBack({ connection, until: this.#inputs.now() + this.#inputs.rideMs });
  }

  /** A ride is over. */
  putBack(entry: Entry<Connection>): void {
    if (entry.until <= this.#inputs.now() || this.#idle.length >= MAX_IDLE) {
      entry.connection.close();
      return;
    }
    this.#idle.push(entry);
    if (!this.#timer.armed) this.#arm();
  }

  /** Forgets a connection that ended while idle; false when it is not here. */
  remove(connection: Connection): boolean {
    const at = this.#idle.findLastIndex((entry) => entry.connection === connection);
    if (at < 0) return false;
    this.#idle.splice(at, 1);
    return true;
  }

  /** The endpoint must get no new requests, or the pod has gone. */
  closeIdle(): void {
    for (const { connection } of this.#idle.splice(0)) connection.close();
    this.#inputs.timers.cancel(this.#timer);
  }

  onTimer(): void {
    const now = this.#inputs.now();
    const over = this.#idle.filter(({ until }) => until <= now);
    if (over.length > 0) {
      const left = this.#idle.filter(({ until }) => until > now);
      this.#idle.splice(0, this.#idle.length, ...left);
      for (const { connection } of over) connection.close();
    }
    if (this.#idle.length > 0) this.#arm();
  }

  #arm(): void {
    const first = this.#idle.reduce((least, { until }) => Math.min(least, until), Infinity);
    this.#inputs.timers.arm(this.#timer, Math.max(0, first - this.#inputs.now()));
  }
}

/** A connection on loan: give it back with putBack(). */
export type Ride<Connection> = Entry<Connection>;
