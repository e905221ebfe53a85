/** From what a snapshot says about a service port to what the balancer of one node uses of it; pure. */

import type { Balance } from "#model/balance.ts";
import type { Endpoint, Service, ServicePort } from "#model/service.ts";

/** What a snapshot says about one service port: the part the balancer uses. */
export interface PortSpec {
  readonly balance: Balance;
  /** Service sessionAffinity ClientIP, in seconds. */
  readonly affinitySeconds?: number | undefined;
  readonly endpoints: readonly Endpoint[];
  /** How many endpoints are for pods of other nodes only; absent = none. */
  readonly elsewhere?: number;
}

/** The port as clients on `node` may use it: without endpoints that are for other nodes (internalTrafficPolicy Local). */
export function portSpecOf(
  { balance, affinitySeconds }: Service,
  port: ServicePort,
  node: string,
): PortSpec {
  const endpoints = port.endpoints.filter(
    ({ onlyFrom }) => onlyFrom === undefined || onlyFrom === node,
  );
  const elsewhere = port.endpoints.length - endpoints.length;
  return { balance, affinitySeconds, endpoints, elsewhere };
}
