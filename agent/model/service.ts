/** Services as the data plane knows them: virtual addresses, ports, endpoints. */

import type { Balance } from "./balance.ts";
import type { DeclaredProtocol } from "./workload.ts";

/**
 * Who may ask over a connection to an endpoint: `shared`: for a second after its own client connection has left it, others
 * of the pod too, with safe requests without content. `own`: that client connection alone.
 */
export type Connections = "shared" | "own";

/** A Service with at least one virtual IP. Headless Services are not here: their pods are dialled by IP. */
export interface Service {
  readonly namespace: string;
  readonly name: string;
  /** spec.clusterIPs in canonical text form. No two services of a snapshot share one. */
  readonly addresses: readonly string[];
  readonly balance: Balance;
  /** spec.sessionAffinity ClientIP: how long a client sticks, in seconds (1 to 86400). */
  readonly affinitySeconds?: number;
  /** Absent = shared. Agents that don't know the field share. */
  readonly connections?: Connections;
  readonly ports: readonly ServicePort[];
}

/** One TCP port of a Service and where it leads. */
export interface ServicePort {
  /** Name of the port; empty when the Service has only one and does not name it. */
  readonly name: string;
  readonly port: number;
  readonly protocol: DeclaredProtocol;
  /**
   * In the order of address and port (endpoint-changes.ts), each pair once; of a dual-stack Service a pod is there once
   * for each of its addresses.
   */
  readonly endpoints: readonly Endpoint[];
}

/**
 * Whether an endpoint may get traffic (EndpointSlice conditions ready, serving, terminating).
 * `draining` = serving but terminating: no new requests unless nothing else is left.
 */
export type EndpointState = "ready" | "draining" | "unready";

/** One backend of a service port. */
export interface Endpoint {
  /** Canonical text form. */
  readonly address: string;
  readonly port: number;
  readonly state: EndpointState;
  /** uid of the pod behind it, which may not be in the snapshot (yet); absent for endpoints that are not pods. */
  readonly workload?: string;
  /**
   * The only node whose pods may be led here, empty = none (internalTrafficPolicy Local); absent = all may. Agents that
   * don't know the field lead everybody here.
   */
  readonly onlyFrom?: string;
}

/** What tells the endpoints of one service port apart. */
export type EndpointKey = Pick<Endpoint, "address" | "port">;

/** What changed in the endpoints of one port of one Service, whose other words are as before. */
export interface EndpointChanges {
  /** Key of the Service. */
  readonly service: string;
  /** `port` of the ServicePort. */
  readonly port: number;
  /** Endpoints that are new or not as before, in their order. */
  readonly upsert: readonly Endpoint[];
  /** Endpoints that are gone; none of `upsert`. */
  readonly remove: readonly EndpointKey[];
}

/** The stable key of a service: `namespace/name`. */
export function serviceKey(service: Pick<Service, "namespace" | "name">): string {
  return `${service.namespace}/${service.name}`;
}
