/** The node's own addresses: kubelet's probes come from one of them, and from nowhere else. */

import { networkInterfaces } from "node:os";

/** How long what was read counts, milliseconds: addresses of a node change seldom. */
const READ_AGAIN_MS = 10_000;

/** Knows them, and reads them anew from time to time when it is asked. */
export class OwnHost {
  readonly #now: () => number;
  readonly #read: () => Iterable<string>;
  #addresses: ReadonlySet<string> = new Set();
  #readAt = Number.NEGATIVE_INFINITY;

  /** `now`: any clock, milliseconds. `read`: the system's answer, only for tests another. */
  constructor(now: () => number, read: () => Iterable<string> = systemAddresses) {
    this.#now = now;
    this.#read = read;
  }

  /** Whether an address (canonical text) is the node's. */
  has(address: string): boolean {
    const now = this.#now();
    if (now - this.#readAt >= READ_AGAIN_MS) {
      this.#addresses = new Set(this.#read());
      this.#readAt = now;
    }
    return this.#addresses.has(address);
  }
}

function systemAddresses(): Iterable<string> {
  return Object.values(networkInterfaces()).flatMap(
    (all) => all?.map(({ address }) => address) ?? [],
  );
}
