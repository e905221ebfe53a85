/** All endpoint sets of one worker, kept in step with the snapshot. */

import { type Service, type ServicePort, serviceKey } from "#model/service.ts";
import type { Snapshot } from "#model/snapshot.ts";
import { EndpointSet } from "./endpoint-set.ts";
import {
  type BalanceSettings,
  type Clock,
  DEFAULT_BALANCE_SETTINGS,
  type Random,
} from "./settings.ts";

/** What the table needs from outside. */
export interface BalancersInputs {
  readonly clock: Clock;
  readonly random: Random;
  readonly settings?: BalanceSettings;
}

/** The endpoint sets by service and port. */
export class Balancers {
  readonly #inputs: BalancersInputs;
  #services: ReadonlyMap<string, Service> = new Map();
  readonly #sets = new Map<string, Map<number, EndpointSet>>();

  constructor(inputs: BalancersInputs) {
    this.#inputs = inputs;
  }

  /**
   * Takes a new snapshot. Services that are the same object as before are skipped: an update costs what
   * changed, if the store shares what did not change.
   */
  update(snapshot: Pick<Snapshot, "services">): void {
    for (const key of this.#services.keys())
      if (!snapshot.services.has(key)) this.#sets.delete(key);
    for (const [key, service] of snapshot.services)
      if (this.#services.get(key) !== service) this.#updateService(key, service);
    this.#services = snapshot.services;
  }

  /** The set of a service's port; undefined when the snapshot has no such port. Ask anew for each connection or request; what was picked is released where it was picked. */
  find(service: Pick<Service, "namespace" | "name">, port: number): EndpointSet | undefined {
    return this.#sets.get(serviceKey(service))?.get(port);
  }

  /** Every set with its service's key and port, for metrics and the admin page. */
  *all(): Generator<{
    readonly service: string;
    readonly port: number;
    readonly set: EndpointSet;
  }> {
    for (const [service, ports] of this.#sets)
      for (const [port, set] of ports) yield { service, port, set };
  }

  #updateService(key: string, service: Service): void {
    const before = this.#sets.get(key);
    const after = new Map<number, EndpointSet>();
    for (const port of service.ports)
      after.set(port.port, this.#updatePort(before?.get(port.port), service, port));
    this.#sets.set(key, after);
  }

  #updatePort(before: EndpointSet | undefined, service: Service, port: ServicePort): EndpointSet {
    const { balance, affinitySeconds } = service;
    const spec = { balance, affinitySeconds, endpoints: port.endpoints };
    if (before !== undefined) {
      before.update(spec);
      return before;
    }
    const { clock, random, settings = DEFAULT_BALANCE_SETTINGS } = this.#inputs;
    const name = `${serviceKey(service)}:${port.port}`;
    return new EndpointSet(spec, { name, settings, clock, random });
  }
}
