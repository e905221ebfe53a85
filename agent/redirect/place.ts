/** What the agent holds open in one pod's network namespace, and the steps to make and undo it. */

import { closeNetns, netnsCookie, openNetns } from "../kernel/netns.ts";
import { closeListeners, openListeners } from "./listeners.ts";
import type { Located } from "./locator.ts";
import { turnConnects, undoTurn } from "./namespace.ts";

/** A pod's namespace with our listeners in it. While it is open, the namespace lives. */
export interface Place {
  /** Descriptor of the network namespace. */
  readonly netns: number;
  readonly inode: number;
  /** The kernel programs' name of the namespace. */
  readonly cookie: bigint;
  /** The pod's addresses, as they were when it was opened. */
  readonly addresses: readonly string[];
  /** One listening descriptor for each data worker. */
  readonly listeners: readonly number[];
}

/** What can be done about places; a fake of it stands in for the kernel in unit tests. */
export interface Places {
  /** Opens the namespace and listens in it. */
  open(located: Located & { kind: "found" }, addresses: readonly string[]): Place;
  /** Adds rules, routes and settings. */
  turn(place: Place): void;
  /** Removes rules, routes and settings. */
  undo(place: Pick<Place, "netns" | "addresses">): void;
  /** Closes all descriptors: from now on a deleted pod's namespace can go. */
  close(place: Place): void;
}

/** The real one. `workers` is how many listeners each place gets. */
export function kernelPlaces(workers: number): Places {
  return {
    open(located, addresses) {
      const netns = openNetns(located.path);
      try {
        const listeners = openListeners(netns, workers);
        return { netns, inode: located.inode, cookie: netnsCookie(netns), addresses, listeners };
      } catch (error) {
        closeNetns(netns);
        throw error;
      }
    },
    turn: (place) => turnConnects(place.netns, place.addresses),
    undo: (place) => undoTurn(place.netns, place.addresses),
    close(place) {
      closeListeners(place.listeners);
      closeNetns(place.netns);
    },
  };
}
