/** Idle upstream connections of one pod towards one endpoint, kept for the next request. */

/** What a pool keeps. */
export interface Poolable {
  /** Clock time (ms) at which it became idle; set before put(). */
  readonly idleSince: number;
  /** Something came from the server meanwhile: its end, or an answer that nobody asked for. */
  readonly unread: boolean;
  /** Closes the idle connection. The pool has already forgotten it. */
  dispose(): void;
}

/** Most idle connections kept per pod and endpoint: beyond it, closing is cheaper than the memory. */
const MAX_IDLE = 256;

/**
 * A stack, newest first: the connection used last is the likeliest to be alive still, and the others may
 * reach their idle time-out. A retired pool keeps nothing: its endpoint takes no new requests.
 */
export class UpstreamPool<Connection extends Poolable> {
  readonly #idle: Connection[] = [];
  #retired = false;
  /** Connections in use and idle: the pool may be forgotten when this is 0. */
  connections = 0;

  /** Connections waiting for a request. */
  get idle(): number {
    return this.#idle.length;
  }

  /**
   * Takes the newest idle connection out that became idle at `since` (clock time, ms) or later. Ones with something
   * unread stay: their own turn comes, and a request sent now would get the wrong answer or none. When all are
   * too old, the oldest makes room for the one that the caller opens.
   */
  take(since: number): Connection | undefined {
    for (let at = this.#idle.length - 1; at >= 0; at--) {
      const connection = this.#idle[at] as Connection;
      if (connection.idleSince < since) {
        this.#idle.shift()?.dispose();
        return undefined;
      }
      if (connection.unread) continue;
      if (at === this.#idle.length - 1) this.#idle.pop();
      else this.#idle.splice(at, 1);
      return connection;
    }
    return undefined;
  }

  /** Keeps a connection for the next request, or disposes of it. */
  put(connection: Connection): void {
    if (this.#retired || this.#idle.length >= MAX_IDLE) connection.dispose();
    else this.#idle.push(connection);
  }

  /** Forgets a connection that ended while idle; false when it is not here. */
  remove(connection: Connection): boolean {
    const at = this.#idle.lastIndexOf(connection);
    if (at < 0) return false;
    this.#idle.splice(at, 1);
    return true;
  }

  /** Disposes of connections that have been idle since before `limit` (clock time, ms). */
  expire(limit: number): void {
    while ((this.#idle[0]?.idleSince ?? limit) < limit) this.#idle.shift()?.dispose();
  }

  /** The endpoint must get no new requests: idle connections end now, busy ones after their request. */
  retire(): void {
    this.#retired = true;
    for (const connection of this.#idle.splice(0)) connection.dispose();
  }

  /** The endpoint may be used again. */
  revive(): void {
    this.#retired = false;
  }
}
