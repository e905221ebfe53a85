/** An upstream connection with what decides who may ask over it, from its first request to its end. */

import { isSafe } from "../../http/h1/body-kind.ts";
import type { Ending, RequestHead } from "../../http/message.ts";
import type { Http1Upstream, Keeper } from "../../transport/http1.ts";
import type { Poolable } from "../../transport/pool.ts";
import type { LiveEndpoint } from "../balance/live-endpoint.ts";

/** Whether a request may ride on a connection that somebody else opened. */
export function mayRide(head: RequestHead): boolean {
  return isSafe(head.method) && !head.hasContent && !head.upgrade;
}

/** Where a connection waits while nobody asks over it. */
export interface LeaseHolder {
  /** It has ended there. */
  idleEnded(lease: Lease, ending: Ending): void;
}

/** One object for all requests of an upstream connection. */
export class Lease implements Keeper, Poolable {
  readonly upstream: Http1Upstream;
  readonly endpoint: LiveEndpoint;
  /** The client connection that it was opened for. */
  readonly opener: object;
  /** Nothing went over it but requests that may ride: others than its opener may ride on it, too. */
  clean: boolean = true;
  until: number = Number.POSITIVE_INFINITY;
  holder: LeaseHolder | undefined;

  constructor(upstream: Http1Upstream, endpoint: LiveEndpoint, opener: object) {
    this.upstream = upstream;
    this.endpoint = endpoint;
    this.opener = opener;
    upstream.keeper = this;
  }

  /** Whether a request may be asked over it as far as the connection itself goes. */
  get ready(): boolean {
    return this.upstream.ready;
  }

  get unread(): boolean {
    return this.upstream.unread;
  }

  /** It has waited for whoever came, be it its own client again: its server may have ended it before it was asked. */
  get pooled(): boolean {
    return this.until !== Number.POSITIVE_INFINITY;
  }

  /** This request goes over it. */
  carries(head: RequestHead): void {
    this.clean = this.clean && mayRide(head);
  }

  close(): void {
    this.upstream.close();
  }

  onIdleEnd(_upstream: Http1Upstream, ending: Ending): void {
    this.holder?.idleEnded(this, ending);
  }
}
