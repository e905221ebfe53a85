/**
 * Has the kernel probe the far end of every connection that lasts, as long as the application would bear its silence.
 * The near end is the application's own socket: it is answered by the kernel of its own machine, so nobody else would
 * notice that the far end has gone.
 */

import type { Channel } from "../engine/channel.ts";
import type { ToldPatience } from "../engine/system.ts";
import type { Patience } from "../engine/vigil.ts";
import type { Attendant } from "./pod.ts";

/**
 * Without a word of the application: 15 minutes in all, about what a direct connection with bytes under way takes
 * (net.ipv4.tcp_retries2). Bytes under way are left to that: a user time-out would also end a peer that lives and does
 * not read.
 */
export const DEFAULT_PATIENCE: Patience = {
  idleS: 300,
  intervalS: 60,
  probes: 10,
  userTimeoutMs: 0,
};

/** An application may change its mind: once in so many looks (of a second) it is asked again. */
const LOOKS_PER_QUESTION = 8;

/**
 * What is done in the place of the application. `sending`: bytes are under way. A user time-out of an application that
 * does not probe counts for its bytes only; in the kernel it would count for our probes too, the first lost one of which
 * would end the connection.
 */
export function patienceOf(told: ToldPatience | undefined, sending: boolean): Patience {
  if (told?.keepAlive === true) return told;
  if (told === undefined || !sending) return DEFAULT_PATIENCE;
  return { ...DEFAULT_PATIENCE, userTimeoutMs: told.userTimeoutMs };
}

/** Looks at all connections of a worker about once a second; costs a request nothing. */
export class Prober implements Attendant {
  #look = 0;
  #seen = 0;
  #netns = 0n;

  /** A look at all connections begins. */
  begin(): void {
    this.#look++;
    this.#seen = 0;
  }

  /** What follows is of the pod with that namespace. */
  of(netns: bigint): void {
    this.#netns = netns;
  }

  /** Looks at one. */
  attend(direction: "outbound" | "inbound", client: Channel, server: Channel | undefined): void {
    const outbound = direction === "outbound";
    const near = outbound ? client : server;
    const vigil = (outbound ? server : client)?.vigil;
    if (vigil === undefined) return;
    // Spread over the looks, so that many connections don't make one of them long.
    const again = (this.#seen++ + this.#look) % LOOKS_PER_QUESTION === 0;
    const told = vigil.ask(near, this.#netns, again);
    const counts = told !== undefined && !told.keepAlive && told.userTimeoutMs > 0;
    vigil.bear(patienceOf(told, counts && vigil.unsentBytes > 0));
  }
}
