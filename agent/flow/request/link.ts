/**
 * Whose connection is it: which upstream connections a client connection may ask over, and what becomes of them. A pool
 * may save a handshake, it never changes what a server sees of its clients: only safe requests without content ride on a
 * connection that another client connection opened.
 */

import type { Channel } from "../../engine/channel.ts";
import type { Ending, RequestHead } from "../../http/message.ts";
import type { Http1Upstream } from "../../transport/http1.ts";
import type { UpstreamPool } from "../../transport/pool.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";
import type { Plan } from "../plan.ts";
import { Lease, type LeaseHolder, mayRide } from "./lease.ts";

/**
 * `shared`: by the rule above, or with nobody where the Service says so. `bound`: one client connection, one upstream
 * connection, which end together: fixed destinations, and from a log-in of the connection on.
 */
export type LinkMode = "shared" | "bound";

/** What a link needs of its session. */
export interface LinkOwner {
  /** The plan of the request of now, or of the last one: a change of the Service's word counts for the next. */
  readonly course: { readonly plan: Plan };
  pool(endpoint: LiveEndpoint): UpstreamPool<Lease>;
  /** The bound connection has ended while nobody asked over it. */
  boundEnded(ending: Ending): void;
}

/** Whether the Service wants each connection to be one client's alone. */
function isOwn({ nextHop }: Plan): boolean {
  return nextHop.kind === "balanced" && nextHop.entry.service.connections === "own";
}

/** The upstream connections of one client connection. */
export class Link implements LeaseHolder {
  #mode: LinkMode;
  readonly #owner: LinkOwner;
  /** The one used last of those that it opened, which stays as long as the client connection does. */
  #own: Lease | undefined;
  /** Where others that it opened, and that nobody else may use, may wait for it. */
  #reserved: Set<LiveEndpoint> | undefined;
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
    // A connection that was somebody else's is not kept: the next request gets one of its own.
    if (lease?.opener === this) this.#own = lease;
  }

  /** A connection to `endpoint` that stands already; undefined: a new one is needed. */
  take(endpoint: LiveEndpoint, head: RequestHead): Lease | undefined {
    const lease = this.#take(endpoint, head);
    lease?.carries(head);
    this.#asking = lease;
    return lease;
  }

  /** A connection that was made for a request of this client. */
  opened(upstream: Http1Upstream, endpoint: LiveEndpoint, head: RequestHead): Lease {
    this.#turn();
    const lease = new Lease(upstream, endpoint, this);
    lease.carries(head);
    this.#own = lease;
    this.#asking = lease;
    return lease;
  }

  /** The exchange over this connection is done. */
  settle(lease: Lease): void {
    const own = this.#own === lease;
    this.#asking = undefined;
    if (!lease.upstream.ready) {
      if (own) {
        this.#own = undefined;
        this.#over = this.#mode === "bound";
      }
      lease.close();
    } else if (own) lease.holder = this;
    else this.#share(lease);
  }

  /** The client has ended: others may ride for a while on what nothing went over that only its own client may send. */
  leave(): void {
    const own = this.#own;
    this.#own = undefined;
    if (own !== undefined) this.#share(own);
    for (const endpoint of this.#reserved ?? []) this.#owner.pool(endpoint).closeReserved(this);
    this.#reserved = undefined;
  }

  /** The client was reset: so is what is its alone. */
  reset(): void {
    const own = this.#own;
    if (own !== undefined && !this.#shares) {
      this.#own = undefined;
      own.upstream.abortWhenSent();
    }
    this.leave();
  }

  idleEnded(_lease: Lease, ending: Ending): void {
    this.#own = undefined;
    if (this.#mode === "bound") this.#owner.boundEnded(ending);
  }

  /** Whether others may ride here, and this client on what others have left. */
  get #shares(): boolean {
    return this.#mode === "shared" && !isOwn(this.#owner.course.plan);
  }

  #take(endpoint: LiveEndpoint, head: RequestHead): Lease | undefined {
    const own = this.#own;
    const bound = this.#mode === "bound";
    // A bound one that has just ended, and has not told yet, is asked over all the same: its client ends as it did.
    if (own?.endpoint === endpoint && (bound || (own.ready && !own.unread))) return own;
    if (bound) return undefined;
    this.#turn();
    const lease = this.#reservedAt(endpoint) ?? this.#rideTo(endpoint, head);
    if (lease?.opener === this) this.#own = lease;
    return lease;
  }

  #reservedAt(endpoint: LiveEndpoint): Lease | undefined {
    if (this.#reserved?.has(endpoint) !== true) return undefined;
    return this.#owner.pool(endpoint).takeReserved(this);
  }

  #rideTo(endpoint: LiveEndpoint, head: RequestHead): Lease | undefined {
    return mayRide(head) && this.#shares ? this.#owner.pool(endpoint).take() : undefined;
  }

  /**
   * The client turns elsewhere. What carried more than may ride waits for this client alone: the race of its next request
   * with its server's end is the one that the client has without a mesh, and a shorter one.
   */
  #turn(): void {
    const own = this.#own;
    if (own === undefined) return;
    this.#own = undefined;
    const { endpoint } = own;
    if (own.clean || !this.#shares || endpoint.state !== "ready" || !own.ready) {
      this.#share(own);
      return;
    }
    const pool = this.#owner.pool(endpoint);
    own.holder = pool;
    this.#reserved ??= new Set();
    this.#reserved.add(endpoint);
    pool.reserve(this, own);
  }

  /** Whoever may ride on it may have it; it is closed when nobody may. */
  #share(lease: Lease): void {
    const { endpoint, clean, ready } = lease;
    if (!clean || !ready || !this.#shares || endpoint.state !== "ready") {
      lease.close();
      return;
    }
    const pool = this.#owner.pool(endpoint);
    lease.holder = pool;
    pool.share(lease);
  }
}
