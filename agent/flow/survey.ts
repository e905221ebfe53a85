/**
 * Has the kernel asked about connections that last: their figures are told every few seconds. Short ones are asked about
 * once, when they end. A request costs nothing.
 */

import type { Channel } from "../engine/channel.ts";
import type { Attendant } from "./pod.ts";

/** One in so many connections is looked at in a round, of a second: each every five seconds. */
const LEAST_STRIDE = 5;

/** Most connections looked at in a round: 1.5 ms of a worker. Above five times as many the time between two looks grows. */
const MOST_IN_ROUND = 1000;

/** Looks at some of a worker's connections about once a second. */
export class Survey implements Attendant {
  #round = 0;
  #seen = 0;
  #stride = LEAST_STRIDE;

  /** A round over all connections begins. */
  begin(): void {
    this.#stride = Math.max(LEAST_STRIDE, Math.ceil(this.#seen / MOST_IN_ROUND));
    this.#round++;
    this.#seen = 0;
  }

  attend(_direction: unknown, client: Channel, server: Channel | undefined): void {
    if ((this.#seen++ + this.#round) % this.#stride !== 0) return;
    client.leg.look();
    server?.leg.look();
  }
}
