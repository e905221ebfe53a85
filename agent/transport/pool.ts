/** Idle upstream connections of one pod towards one endpoint, whose own clients have ended or turned elsewhere. */

import { Timer, type TimerHandler } from "../engine/timers.ts";

/** What a pool keeps. */
export interface Poolable {
  /** Something came from the server meanwhile: its end, or an answer that nobody asked for. */
  readonly unread: boolean;
  /** Clock time (ms) after which it is closed when it is idle; Infinity before its client has turned elsewhere. The pool's to set. */
  until: number;
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
  /** How long a connection may be used after its own client has left it first, milliseconds. */
  readonly rideMs: number;
}

/** Most idle connections kept per pod and endpoint: beyond it, closing is cheaper than the memory. */
const MAX_IDLE = 256;

/**
 * A connection may be used for a bounded time from the moment in which its own client left it first, however often it is
 * used meanwhile: a server that serves one connection at a time must not wait for a client that has gone.
 *
 * What is reserved is for requests that can't be sent twice, so it is used only where the server is seen to let
 * connections wait. Many end them some milliseconds after an answer, and a request that meets such an end is lost. So
 * the first one is on trial: it waits for its whole time, and until then no other one does.
 */
export class UpstreamPool<Connection extends Poolable> implements TimerHandler {
  readonly #inputs: PoolInputs;
  /** For everybody. A stack, newest first: the connection used last is the likeliest to be alive still. */
  readonly #shared: Connection[] = [];
  /** For one client only, which turned elsewhere and may come back. */
  readonly #reserved: Map<object, Connection> = new Map();
  /** What is reserved and waits to see whether the server lets it. */
  #trial: Connection | undefined;
  /** Whether a connection has waited here for its whole time, and none was ended by the server since. */
  #lasting = false;
  readonly #timer: Timer = new Timer(this);
  /** Clock time (ms) for which the timer is armed. */
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(inputs: PoolInputs) {
    this.#inputs = inputs;
  }

  /** Connections waiting for a request. */
  get idle(): number {
    return this.#shared.length + this.#reserved.size;
  }

  /** Takes the newest connection out that is for everybody. Ones with something unread stay: their own turn comes. */
  take(): Connection | undefined {
    const now = this.#inputs.now();
    for (let at = this.#shared.length - 1; at >= 0; at--) {
      const connection = this.#shared[at] as Connection;
      if (connection.until <= now || connection.unread) continue;
      if (at === this.#shared.length - 1) this.#shared.pop();
      else this.#shared.splice(at, 1);
      return connection;
    }
    return undefined;
  }

  /** Takes out what is reserved for `client`, if the server can be expected to be there still. */
  takeReserved(client: object): Connection | undefined {
    const connection = this.#lasting ? this.#reserved.get(client) : undefined;
    if (connection === undefined || connection.until <= this.#inputs.now() || connection.unread)
      return undefined;
    this.#reserved.delete(client);
    return connection;
  }

  /** Its client has turned elsewhere or ended, or whoever rode on it has: anybody may ride on it for a while. */
  share(connection: Connection): void {
    if (this.#admits(connection)) this.#shared.push(connection);
  }

  /** Its client has turned elsewhere: nobody else may ride on it, but the client may come back for a while. */
  reserve(client: object, connection: Connection): void {
    // One that was used since its client left it first has not its whole time before it.
    const mayTry = this.#trial === undefined && connection.until === Number.POSITIVE_INFINITY;
    if (!this.#lasting && !mayTry) {
      connection.close();
      return;
    }
    this.closeReserved(client);
    if (!this.#admits(connection)) return;
    this.#reserved.set(client, connection);
    if (!this.#lasting) this.#trial = connection;
  }

  /** The client does not come back. */
  closeReserved(client: object): void {
    const connection = this.#reserved.get(client);
    if (connection === undefined) return;
    this.#reserved.delete(client);
    if (this.#trial === connection) this.#trial = undefined;
    connection.close();
  }

  /** Forgets a connection that the server ended while it was idle. */
  idleEnded(connection: Connection): void {
    this.#lasting = false;
    if (this.#trial === connection) this.#trial = undefined;
    const at = this.#shared.lastIndexOf(connection);
    if (at >= 0) this.#shared.splice(at, 1);
    for (const [client, reserved] of this.#reserved)
      if (reserved === connection) this.#reserved.delete(client);
  }

  /** The endpoint must get no new requests, or the pod has gone. */
  closeIdle(): void {
    this.#close(() => true);
    this.#trial = undefined;
    this.#inputs.timers.cancel(this.#timer);
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  onTimer(): void {
    const now = this.#inputs.now();
    this.#armedFor = Number.POSITIVE_INFINITY;
    if (this.#trial !== undefined && this.#trial.until <= now) {
      this.#lasting = !this.#trial.unread;
      this.#trial = undefined;
    }
    this.#close(({ until }) => until <= now);
    for (const { until } of this.#all()) this.#closeAt(until);
  }

  #admits(connection: Connection): boolean {
    const { now, rideMs } = this.#inputs;
    if (connection.until === Number.POSITIVE_INFINITY) connection.until = now() + rideMs;
    if (connection.until <= now() || this.idle >= MAX_IDLE) {
      connection.close();
      return false;
    }
    this.#closeAt(connection.until);
    return true;
  }

  #close(chosen: (connection: Connection) => boolean): void {
    const over = this.#all().filter(chosen);
    if (over.length === 0) return;
    const shared = this.#shared.filter((connection) => !chosen(connection));
    this.#shared.splice(0, this.#shared.length, ...shared);
    for (const [client, connection] of this.#reserved)
      if (chosen(connection)) this.#reserved.delete(client);
    for (const connection of over) connection.close();
  }

  #all(): readonly Connection[] {
    return [...this.#shared, ...this.#reserved.values()];
  }

  /** The timer fires then at the latest. */
  #closeAt(until: number): void {
    if (until >= this.#armedFor) return;
    this.#armedFor = until;
    this.#inputs.timers.arm(this.#timer, until - this.#inputs.now());
  }
}
