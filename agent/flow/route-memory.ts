/**
 * Routes that several connections of a pod share. What is decided about a connection to a service depends on
 * the two addresses, the port and the snapshot, so the next connection like it needs no second decision.
 */

import type { SocketAddress } from "./identify.ts";
import type { Route } from "./route.ts";

/** Routes kept of one destination address, and destinations: more are decided anew each time. */
const MAX_PER_ADDRESS = 32;
const MAX_ADDRESSES = 1024;

/** The routes of one pod, under one revision of the directory. */
export class RouteMemory {
  readonly #routes: Map<string, Route[]> = new Map();
  #revision = -1;

  /** The route of an earlier connection from and to the same addresses under this revision. */
  find(revision: number, client: string, { address, port }: SocketAddress): Route | undefined {
    if (revision !== this.#revision) return undefined;
    const routes = this.#routes.get(address);
    if (routes === undefined) return undefined;
    for (const route of routes)
      if (route.plan.destination.port === port && route.plan.clientAddress === client) return route;
    return undefined;
  }

  /** Remembers a route, when others may share it: a fixed next hop carries counts of its own connection. */
  keep(route: Route): void {
    if (route.plan.nextHop.kind !== "balanced") return;
    if (route.revision !== this.#revision) this.#routes.clear();
    this.#revision = route.revision;
    const { address } = route.plan.destination;
    const routes = this.#routes.get(address);
    if (routes !== undefined && routes.length < MAX_PER_ADDRESS) routes.push(route);
    else if (routes === undefined && this.#routes.size < MAX_ADDRESSES)
      this.#routes.set(address, [route]);
  }
}
