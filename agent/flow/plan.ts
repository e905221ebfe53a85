/** Stage plan: where the bytes go and how they are understood. Pure: a Permit in, a Plan out. */

import { includesPort } from "#model/enrolment.ts";
import type { DeclaredProtocol, Workload } from "#model/workload.ts";
import type { Permit } from "./authorize.ts";
import type { HostPort, Stranger } from "./identify.ts";
import type { ServicePortEntry } from "./service-index.ts";

/** How the bytes are understood. `detect`: the first bytes decide, within a bounded time. */
export type Understanding = "opaque" | "http" | "detect";

/** Which endpoints may be chosen from. */
export type NextHop =
  /** Any endpoint of a service, chosen by its balancer. */
  | { readonly kind: "balanced"; readonly entry: ServicePortEntry }
  /** Exactly where the application said. */
  | { readonly kind: "fixed"; readonly address: HostPort; readonly workload?: Workload };

/** How the next socket is made, so that the other side sees what it would see without a mesh. */
export type Origin =
  /** From the client pod's own namespace: its address is the source by itself. */
  | { readonly kind: "own-address" }
  /** In the server pod's namespace, bound to the client's address (transparent socket). */
  | { readonly kind: "client-address"; readonly address: string };

/** One side of a connection for telemetry; strangers are named by nothing but that they are strange. */
export type Party = Workload | Stranger;

/** Everything that carry needs to know. */
export interface Plan {
  readonly direction: "outbound" | "inbound";
  readonly understanding: Understanding;
  readonly nextHop: NextHop;
  readonly origin: Origin;
  readonly source: Party;
  /** The original destination: learned facts (server-first) and logs are keyed by it. */
  readonly destination: HostPort;
  /** The address of the client that affinity and source-ip hashing see. */
  readonly clientAddress: string;
}

/** Plans a permitted connection. */
export function plan(permit: Permit): Plan {
  const { connection } = permit;
  return connection.kind === "outbound" ? planOutbound(connection) : planInbound(connection);
}

type Outbound = Extract<Permit["connection"], { kind: "outbound" }>;
type Inbound = Extract<Permit["connection"], { kind: "inbound" }>;

function planOutbound(connection: Outbound): Plan {
  const { source, target, destination } = connection;
  return {
    direction: "outbound",
    understanding: outboundUnderstanding(connection),
    nextHop:
      target.kind === "service"
        ? { kind: "balanced", entry: target.entry }
        : {
            kind: "fixed",
            address: destination,
            ...(target.kind === "pod" && { workload: target.workload }),
          },
    origin: { kind: "own-address" },
    source,
    destination,
    clientAddress: connection.client.address,
  };
}

function outboundUnderstanding({ source, target, destination }: Outbound): Understanding {
  if (isOpaque(source, destination.port)) return "opaque";
  switch (target.kind) {
    case "service":
      // Control has put into it what the pods behind say of their ports.
      return understandingOf(target.entry.port.protocol);
    case "pod":
      return podUnderstanding(target.workload, destination.port);
    case "stranger":
      // Nothing is known about it, and nothing can be balanced: touch as little as possible.
      return "opaque";
  }
}

function planInbound({ source, client, target, destination }: Inbound): Plan {
  return {
    direction: "inbound",
    understanding: podUnderstanding(target, destination.port),
    nextHop: { kind: "fixed", address: destination, workload: target },
    origin: { kind: "client-address", address: client.address },
    source,
    destination,
    clientAddress: client.address,
  };
}

/** How a pod's own port is understood, by whoever reaches it: its owner's word first. */
export function podUnderstanding(workload: Workload, port: number): Understanding {
  return isOpaque(workload, port) ? "opaque" : understandingOf(declaredOf(workload, port));
}

function declaredOf(workload: Workload, port: number): DeclaredProtocol {
  return workload.ports.find((declared) => declared.port === port)?.protocol ?? "detect";
}

/** HTTP/2 and TLS are carried as bytes until the mesh reads them itself. */
function understandingOf(protocol: DeclaredProtocol): Understanding {
  if (protocol === "http" || protocol === "detect") return protocol;
  return "opaque";
}

function isOpaque({ enrolment, opaquePorts = [] }: Workload, port: number): boolean {
  return includesPort(enrolment?.opaquePorts ?? opaquePorts, port);
}
