/**
 * agent/flow is the story of a connection and of a request, one file per stage, in reading order:
 * accept (connection.ts) → identify → authorize → plan → look → carry (opaque.ts, request/) → record.
 * It decides with pure functions over one snapshot and acts through the engine's channels. It may import
 * model, state, engine, http, transport and telemetry; it never makes a system call or reads the clock itself.
 *
 * This file: who is talking to whom, from nothing but addresses and the snapshot.
 */

import { type Refusal, refuse } from "#model/refusal.ts";
import type { Workload } from "#model/workload.ts";
import type { Directory } from "./directory.ts";
import type { ServicePortEntry } from "./service-index.ts";

/** A connection as the kernel handed it over; addresses in canonical text form. */
export interface Caught {
  /** uid of the enrolled pod in whose namespace the connection was caught. */
  readonly pod: string;
  /** getpeername(): the client. */
  readonly client: HostPort;
  /** getsockname(): where the client wanted to go. */
  readonly destination: HostPort;
}

/** An address and a TCP port. */
export interface HostPort {
  readonly address: string;
  readonly port: number;
}

/** Something outside the mesh's knowledge: no pod has this address. */
export interface Stranger {
  readonly kind: "stranger";
  readonly address: string;
}

/** Where an outbound connection wants to go. */
export type OutboundTarget =
  | { readonly kind: "service"; readonly entry: ServicePortEntry }
  | { readonly kind: "pod"; readonly workload: Workload }
  | { readonly kind: "stranger" };

/** What is known about a connection before any policy is asked. */
export type Identified =
  | {
      readonly kind: "outbound";
      readonly source: Workload;
      readonly client: HostPort;
      readonly target: OutboundTarget;
      readonly destination: HostPort;
    }
  | {
      readonly kind: "inbound";
      readonly source: Workload | Stranger;
      readonly client: HostPort;
      readonly target: Workload;
      readonly destination: HostPort;
    };

/** Names both ends of a connection, or says why it can't be done. */
export function identify(caught: Caught, directory: Directory): Identified | Refusal {
  const pod = directory.workload(caught.pod);
  if (pod === undefined)
    return refuse("unknown-source", `pod ${caught.pod} is not in the snapshot`);
  const { destination, client } = caught;
  if (pod.addresses.includes(destination.address)) {
    const source = directory.workloadAt(client.address) ?? stranger(client.address);
    return { kind: "inbound", source, client, target: pod, destination };
  }
  if (!pod.addresses.includes(client.address))
    return refuse("unknown-source", `${client.address} is not an address of pod ${pod.name}`);
  return {
    kind: "outbound",
    source: pod,
    client,
    target: outboundTarget(destination, directory),
    destination,
  };
}

function stranger(address: string): Stranger {
  return { kind: "stranger", address };
}

function outboundTarget(destination: HostPort, directory: Directory): OutboundTarget {
  const entry = directory.service(destination.address, destination.port);
  if (entry !== undefined) return { kind: "service", entry };
  const workload = directory.workloadAt(destination.address);
  return workload === undefined ? { kind: "stranger" } : { kind: "pod", workload };
}
