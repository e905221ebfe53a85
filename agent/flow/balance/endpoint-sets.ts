/** All endpoint sets of one worker: the runtime state that the worker's Directory keeps per service port. */

import { type Service, type ServicePort, serviceKey } from "#model/service.ts";
import type { PortStates } from "../directory.ts";
import { EndpointSet, type PortSpec } from "./endpoint-set.ts";
import {
  type BalanceSettings,
  type Clock,
  DEFAULT_BALANCE_SETTINGS,
  type Random,
} from "./settings.ts";

/** What the sets need from outside. */
export interface EndpointSetsInputs {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings?: BalanceSettings;
}

/** Where a set belongs. */
export interface PlacedSet {
  /** `namespace/name`. */
  readonly service: string;
  readonly port: number;
  readonly set: EndpointSet;
}

/** Makes, updates and forgets endpoint sets as the Directory tells. A removed set still takes back what was picked from it. */
export class EndpointSets implements PortStates<EndpointSet> {
  readonly #inputs: EndpointSetsInputs;
  readonly #placed = new Map<EndpointSet, PlacedSet>();

  constructor(inputs: EndpointSetsInputs) {
    this.#inputs = inputs;
  }

  /** Every set in use, for metrics and the admin page. */
  all(): Iterable<PlacedSet> {
    return this.#placed.values();
  }

  /** See PortStates. */
  create(service: Service, port: ServicePort): EndpointSet {
    const { clock, random, settings = DEFAULT_BALANCE_SETTINGS } = this.#inputs;
    const key = serviceKey(service);
    const name = `${key}:${port.port}`;
    const set = new EndpointSet(specOf(service, port), { name, settings, clock, random });
    this.#placed.set(set, { service: key, port: port.port, set });
    return set;
  }

  /** See PortStates. */
  update(set: EndpointSet, service: Service, port: ServicePort): void {
    set.update(specOf(service, port));
  }

  /** See PortStates. */
  remove(set: EndpointSet): void {
    this.#placed.delete(set);
  }
}

function specOf(service: Service, port: ServicePort): PortSpec {
  const { balance, affinitySeconds } = service;
  return { balance, affinitySeconds, endpoints: port.endpoints };
}
