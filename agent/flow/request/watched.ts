/** A request of which somebody wants more than its counts (record.ts: Observation). */

import type { Refusal } from "#model/refusal.ts";
import type { Observation, RequestOutcome } from "../record.ts";

/** What the client's connection has carried in all, bytes. */
interface Carried {
  readonly sent: number;
  readonly received: number;
}

/** One such request, from its head on. */
export class Watched {
  /** Bytes go both ways: only their end ends the observation. */
  tied = false;
  readonly #observation: Observation;
  readonly #carried: Carried;
  /** What the connection had carried when the request began. */
  readonly #sentBefore: number;
  readonly #receivedBefore: number;

  constructor(observation: Observation, carried: Carried) {
    this.#observation = observation;
    this.#carried = carried;
    this.#sentBefore = carried.sent;
    this.#receivedBefore = carried.received;
  }

  /** What went both ways since the request began; undefined while it is a request. */
  get tiedBytes(): Carried | undefined {
    if (!this.tied) return undefined;
    const { sent, received } = this.#carried;
    return { sent: sent - this.#sentBefore, received: received - this.#receivedBefore };
  }

  /** A while has passed. */
  goesOn(soFar: RequestOutcome): void {
    this.#observation.goesOn(soFar);
  }

  /** All of it has ended. */
  ended(outcome: RequestOutcome, refusal: Refusal | undefined): void {
    this.#observation.ended(outcome, refusal);
  }
}
