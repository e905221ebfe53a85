/** Readers of what workloads and services have in common. */

import { canonicalAddress, canonicalCidr } from "./address.ts";
import { canonicalText, integer, oneOf, type Place } from "./reader.ts";
import type { DeclaredProtocol } from "./workload.ts";

const PROTOCOLS = ["detect", "http", "http2", "grpc", "tls", "tcp"] as const;

/** Most addresses, ports, ranges and the like of one object. */
export const MAX_FEW = 1024;

/** An IP address in canonical form. */
export function readAddress(place: Place): string {
  return canonicalText(place, canonicalAddress, "an IP address");
}

/** A CIDR block in canonical form. */
export function readCidr(place: Place): string {
  return canonicalText(place, canonicalCidr, "a CIDR block");
}

/** A TCP port. */
export function readPort(place: Place): number {
  return integer(place, 1, 65_535);
}

/** What is declared about a port's protocol. */
export function readProtocol(place: Place): DeclaredProtocol {
  return oneOf(place, PROTOCOLS);
}
