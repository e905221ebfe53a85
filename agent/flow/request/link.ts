/**
 * Whose connection is it: which upstream connections a client connection may ask over, and what becomes of them. A pool
 * may save a handshake, it never changes what a server sees of its clients: only safe requests without content ride on a
 * connection that another client connection opened.
 */

import type { Channel } from "../../engine/channel.ts";
import { isSafe } from "../../http/h1/body-kind.ts";
import type { Ending, RequestHead } from "../../http/message.ts";
import type { Http1Upstream, Keeper } from "../../transport/http1.ts";
import type { Ride, UpstreamPool } from "../../transport/pool.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";

/**
 * `shared`: by the rule above, or with nobody where the Service says so. `bound`: one client connection, one upstream
 * connection, which end together: fixed destinations, and from a log-in of the connection on.
 */
export type LinkMode = "shared" | "bound";

/** A connection on its way through one exchange. */
export interface Lease {
  readonly upstream: Http1Upstream;
  readonly endpoint: LiveEndpoint;
  /** Set when it came out of the pool: there it goes back. */
  readonly ride: Ride<Http1Upstream> | undefined;
}

/** What a link needs of its session. */
export interface LinkOwner {
  /** The plan of the request of now, or of the last one: a change of the Service's word counts for the next. */
  readonly course: { readonly plan: Plan };
  pool(endpoint: LiveEndpoint): UpstreamPool<Http1Upstream>;
  /** The bound connection has ended while nobody asked over it. */
  boundEnded(ending: Ending): void;
}

/** Whether a request may ride on a connection that somebody else opened. */
export function mayRide(head: RequestHead): boolean {
  return isSafe(head.method) && !head.hasContent && !head.upgrade;
}

/** Whether the Service wants each connection to be one client's alone. */
function isOwn({ nextHop }: Plan): boolean {
  return nextHop.kind === "balanced" && nextHop.entry.service.connections === "own";
}

/** The upstream connections of one client connection. */
export class Link implements Keeper {
  #mode: LinkMode;
  readonly #owner: LinkOwner;
  /** The one used last, which stays as long as the client connection does. */
  #own: Lease | undefined;
  /** Nothing but requests that may ride went over #own: others may ride on it later. */
  #clean = true;
  #over = false;
  /** What is asked over now. */
  #asking: Lease | undefined;

  constructor(mode: LinkMode, owner: LinkOwner) {
    this.#mode = mode;
    this.#owner = owner;
  }

  get mode(): LinkMode {
    return this.#mode;
  }

  /** The bound connection has ended: so must its client's. */
  get over(): boolean {
    return this.#over;
  }

  /** The connection that serves the client now: the one that is asked over, else its own. */
  get carrier(): Channel | undefined {
    return (this.#asking ?? this.#own)?.upstream.channel;
  }

  /** The bound connection's endpoint: the next request goes there. */
  get boundTo(): LiveEndpoint | undefined {
    return this.#mode === "bound" ? this.#own?.endpoint : undefined;
  }

  /** From now on the client connection owns its upstream connection for good. */
  bind(lease: Lease | undefined): void {
    if (this.#mode === "bound") return;
    this.#mode = "bound";
    // A connection out of the pool was somebody else's: the next request gets one of its own.
    if (lease !== undefined && lease.ride === undefined) this.#own = lease;
  }

  /** A connection to `endpoint` that stands already; undefined: a new one is needed. */
  take(endpoint: LiveEndpoint, head: RequestHead): Lease | undefined {
    const ride = mayRide(head);
    const own = this.#own;
    // A bound one that has just ended, and has not told yet, is asked over all the same: its client ends as it did.
    const usable = this.#mode === "bound" || own?.upstream.ready === true;
    if (own !== undefined && own.endpoint === endpoint && usable) {
      own.upstream.keeper = undefined;
      this.#clean = this.#clean && ride;
      this.#asking = own;
      return own;
    }
    if (this.#mode === "bound") return undefined;
    this.leave();
    const taken = ride && this.#shares ? this.#owner.pool(endpoint).take() : undefined;
    if (taken === undefined) return undefined;
    taken.connection.keeper = undefined;
    this.#asking = { upstream: taken.connection, endpoint, ride: taken };
    return this.#asking;
  }

  /** A connection that was made for a request of this client. */
  opened(upstream: Http1Upstream, endpoint: LiveEndpoint, head: RequestHead): Lease {
    this.leave();
    this.#clean = mayRide(head);
    const lease: Lease = { upstream, endpoint, ride: undefined };
    this.#own = lease;
    this.#asking = lease;
    return lease;
  }

  /** The exchange over this connection is done. */
  settle(lease: Lease): void {
    const { upstream, endpoint, ride } = lease;
    this.#asking = undefined;
    if (!upstream.ready) {
      if (this.#own === lease) {
        this.#own = undefined;
        this.#over = this.#mode === "bound";
      }
      upstream.close();
    } else if (ride === undefined) upstream.keeper = this;
    // It was challenged on a connection that it rode on: nobody rides on that any more.
    else if (!this.#shares || endpoint.state !== "ready") upstream.close();
    else {
      const pool = this.#owner.pool(endpoint);
      upstream.keeper = { onIdleEnd: () => pool.remove(upstream) };
      pool.putBack(ride);
    }
  }

  /**
   * The client turns elsewhere or has ended: others may ride on its connection for a while, if nothing went over it that
   * only its own client may send. It is not taken back: its server may be about to close it.
   */
  leave(): void {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    const { upstream, endpoint } = own;
    const shareable = this.#shares && this.#clean && endpoint.state === "ready";
    if (!shareable || !upstream.ready) {
      upstream.keeper = undefined;
      upstream.close();
      return;
    }
    const pool = this.#owner.pool(endpoint);
    upstream.keeper = { onIdleEnd: () => pool.remove(upstream) };
    pool.share(upstream);
  }

  /** The client was reset: so is what is its alone. */
  reset(): void {
    const own = this.#own;
    if (own === undefined || this.#shares) {
      this.leave();
      return;
    }
    this.#own = undefined;
    own.upstream.keeper = undefined;
    own.upstream.abortWhenSent();
  }

  /** Whether others may ride here, and this client on what others have left. */
  get #shares(): boolean {
    return this.#mode === "shared" && !isOwn(this.#owner.course.plan);
  }

  onIdleEnd(_upstream: Http1Upstream, ending: Ending): void {
    this.#own = undefined;
    if (this.#mode === "bound") this.#owner.boundEnded(ending);
  }
}
