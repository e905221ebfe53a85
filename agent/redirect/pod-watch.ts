/**
 * What changes in a caught pod's namespace without the mesh's doing, and what the kernel must know of it: addresses,
 * routes of other interfaces, who listens. What can't be read leaves the pod as caught as can be.
 */

import { isDeepStrictEqual } from "node:util";
import { NETWORK_SHARE } from "../kernel/layout.gen.ts";
import type { ListeningTables } from "../kernel/mesh-maps.ts";
import type { PodFacts } from "./contents.ts";
import { ListenerReview } from "./listener-review.ts";
import { reviewListening } from "./listening.ts";
import { knownNetworks, meshDevice } from "./networks.ts";
import type { Place, Places } from "./place.ts";
import { podAddresses } from "./pod-addresses.ts";

/** The part of a pod's facts that changes by itself. */
type Reach = Pick<PodFacts, "device" | "networks">;

const UNKNOWN: Reach = { device: 0, networks: [] };

/** Of one pod, from one set-up to the next. */
export class PodWatch {
  readonly #places: Places;
  readonly #tables: ListeningTables;
  readonly #review = new ListenerReview();
  #reach: Reach = UNKNOWN;
  #isShareFull = false;
  #wanted = 0;

  constructor(places: Places, tables: ListeningTables) {
    this.#places = places;
    this.#tables = tables;
  }

  /** As last read. */
  get reach(): Reach {
    return this.#reach;
  }

  /** Whether an application has asked for the port of the agent's listeners since this was asked last. */
  isPortWanted({ cookie }: Place): boolean {
    const { wanted = 0 } = this.#tables.listeningStates.get(cookie) ?? {};
    const isNew = wanted !== this.#wanted;
    this.#wanted = wanted;
    return isNew;
  }

  /** Reads everything for the first time. */
  begin(place: Place): void {
    this.#readReach(place);
    this.#lookWhoListens(place);
    this.isPortWanted(place);
  }

  /** Undefined when nothing changed; else the place with the addresses that it has now, the reach read anew. */
  changed(place: Place): Place | undefined {
    if (!place.watch.hasChanged()) return undefined;
    const now = this.#readdressed(place);
    this.#readReach(now);
    return now;
  }

  /** Looks who listens when the kernel's programs have a doubt about it. `nowMs` is of any one clock. */
  reviewListeners(place: Place, nowMs: number): void {
    const asking = this.#tables.listeningStates.get(place.cookie);
    if (asking === undefined || !this.#review.isDue(asking, nowMs)) return;
    const missed = this.#lookWhoListens(place);
    const now = this.#tables.listeningStates.get(place.cookie);
    this.#review.looked({ ...asking, full: now?.full ?? 0 }, missed, nowMs);
  }

  /** What could not be done, in words; empty when all was. */
  remark({ addresses, missing }: Place): string {
    const lacks = `the pod does not have its address ${missing.join(", ")}: only ${addresses.join(", ")} is meshed`;
    const full = `the pod has more than ${NETWORK_SHARE} routes: what other interfaces carry is caught too`;
    return [missing.length > 0 ? lacks : "", this.#isShareFull ? full : ""]
      .filter((words) => words !== "")
      .join("; ");
  }

  /** An address that comes, or comes back, is turned as the others are. One that went took its route with it. */
  #readdressed(place: Place): Place {
    try {
      const known = [...place.addresses, ...place.missing];
      const now = { ...place, ...podAddresses(this.#places.networks(place).addresses, known) };
      if (isDeepStrictEqual(now.addresses, place.addresses)) return place;
      this.#places.turn(now);
      return now;
    } catch {
      // It has none of them at the moment, or is going.
      return place;
    }
  }

  /** Without an answer everything is the mesh's business. */
  #readReach(place: Place): void {
    this.#reach = UNKNOWN;
    try {
      const found = this.#places.networks(place);
      const device = meshDevice(found.addresses, place.addresses);
      const networks = knownNetworks(found, device);
      this.#isShareFull = networks === "too-many";
      this.#reach = { device, networks: networks === "too-many" ? [] : networks };
    } catch {
      this.#isShareFull = false;
    }
  }

  /** Whether somebody listens of whom nothing was known. Who can't be listed stays in doubt: caught, as ever. */
  #lookWhoListens(place: Place): boolean {
    try {
      return reviewListening(this.#tables, place.cookie, () => this.#places.listening(place));
    } catch {
      return false;
    }
  }
}
