/** Services, and changes of their endpoints, as they come in messages, every field checked. */

import type { Balance, HashKey } from "./balance.ts";
import { MAX_FEW, readAddress, readPort, readProtocol } from "./read-address.ts";
import { field, integer, list, name, oneOf, optional, type Place, text } from "./reader.ts";
import type {
  Connections,
  Endpoint,
  EndpointChanges,
  EndpointKey,
  Service,
  ServicePort,
} from "./service.ts";

const MAX_ENDPOINTS = 100_000;

/** Reads a Service. */
export function readService(place: Place): Service {
  const affinitySeconds = optional(field(place, "affinitySeconds"), (p) => integer(p, 1, 86_400));
  const connections = optional(field(place, "connections"), readConnections);
  return {
    namespace: name(field(place, "namespace")),
    name: name(field(place, "name")),
    addresses: list(field(place, "addresses"), readAddress, MAX_FEW),
    balance: readBalance(field(place, "balance")),
    ...(affinitySeconds !== undefined && { affinitySeconds }),
    ...(connections !== undefined && { connections }),
    ports: list(field(place, "ports"), readServicePort, MAX_FEW),
  };
}

function readConnections(place: Place): Connections {
  return oneOf(place, ["shared", "own"]);
}

function readServicePort(place: Place): ServicePort {
  return {
    name: text(field(place, "name"), 512),
    port: readPort(field(place, "port")),
    protocol: readProtocol(field(place, "protocol")),
    endpoints: list(field(place, "endpoints"), readEndpoint, MAX_ENDPOINTS),
  };
}

function readEndpoint(place: Place): Endpoint {
  const workload = optional(field(place, "workload"), name);
  const onlyFrom = optional(field(place, "onlyFrom"), (p) => text(p, 512));
  return {
    address: readAddress(field(place, "address")),
    port: readPort(field(place, "port")),
    state: oneOf(field(place, "state"), ["ready", "draining", "unready"]),
    ...(workload !== undefined && { workload }),
    ...(onlyFrom !== undefined && { onlyFrom }),
  };
}

/** Reads what changed in the endpoints of one port. */
export function readEndpointChanges(place: Place): EndpointChanges {
  return {
    service: name(field(place, "service")),
    port: readPort(field(place, "port")),
    upsert: list(field(place, "upsert"), readEndpoint, MAX_ENDPOINTS),
    remove: list(field(place, "remove"), readEndpointKey, MAX_ENDPOINTS),
  };
}

function readEndpointKey(place: Place): EndpointKey {
  return { address: readAddress(field(place, "address")), port: readPort(field(place, "port")) };
}

function readBalance(place: Place): Balance {
  const kind = oneOf(field(place, "kind"), [
    "least-request",
    "round-robin",
    "random",
    "ewma",
    "consistent-hash",
  ]);
  return kind === "consistent-hash" ? { kind, key: readHashKey(field(place, "key")) } : { kind };
}

function readHashKey(place: Place): HashKey {
  const kind = oneOf(field(place, "kind"), ["header", "cookie", "source-ip"]);
  return kind === "source-ip" ? { kind } : { kind, name: name(field(place, "name")) };
}
