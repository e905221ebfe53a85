/** Running state of the directory's service ports: an EndpointSet for each that is used. */

import { serviceKey } from "#model/service.ts";
import { EndpointSet } from "./balance/endpoint-set.ts";
import { portSpecOf } from "./balance/port-spec.ts";
import { type Clock, DEFAULT_BALANCE_SETTINGS, type Random } from "./balance/settings.ts";
import type { PortStates } from "./service-index.ts";

/** What the states depend on. */
export interface EndpointStatesInputs {
  /** This node's name. */
  readonly node: string;
  /** Workers of the agent: the retries that a service may always have are divided by it. */
  readonly workers: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** Makes them. */
export function endpointStates(inputs: EndpointStatesInputs): PortStates<EndpointSet> {
  const { node, workers, clock, random } = inputs;
  const { retriesPerSecond } = DEFAULT_BALANCE_SETTINGS;
  // Requests, and so the retries that are a share of them, come to each worker anyway.
  const settings = {
    ...DEFAULT_BALANCE_SETTINGS,
    retriesPerSecond: Math.max(1, retriesPerSecond / workers),
  };
  return {
    create: (service, port) =>
      new EndpointSet(portSpecOf(service, port, node), {
        name: `${serviceKey(service)}:${port.port}`,
        settings,
        clock,
        random,
      }),
    update: (state, service, port) => state.update(portSpecOf(service, port, node)),
    remove: (state) => state.update({ balance: { kind: "random" }, endpoints: [] }),
  };
}
