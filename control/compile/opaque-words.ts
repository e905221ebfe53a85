/**
 * The word of servers' owners that reaches their clients: mesh/opaque-ports of the pods behind a Service. An agent learns
 * of it as the protocol of the Service's port, so that it has nothing to look up for a connection.
 */

import { isDeepStrictEqual } from "node:util";
import { includesPort, type PortRange } from "#model/enrolment.ts";
import type { Endpoint, Service } from "#model/service.ts";
import { type CompiledService, podKey } from "./services.ts";
import type { CompiledPod } from "./workloads.ts";

/** Which pods have opaque ports. */
export interface OpaqueWords {
  /** By podKey(). */
  readonly byPod: ReadonlyMap<string, readonly PortRange[]>;
  /** By address, of pods that have one of their own: slices may name an address and no pod. */
  readonly byAddress: ReadonlyMap<string, readonly PortRange[]>;
}

/** Nobody says anything. */
export const NO_OPAQUE_WORDS: OpaqueWords = { byPod: new Map(), byAddress: new Map() };

/** What these pods say; `before` itself when that is the same. */
export function opaqueWords(pods: readonly CompiledPod[], before: OpaqueWords): OpaqueWords {
  const byPod = new Map<string, readonly PortRange[]>();
  const byAddress = new Map<string, readonly PortRange[]>();
  for (const { key, source, value, opaquePorts } of pods) {
    if (opaquePorts.length === 0) continue;
    byPod.set(podKey(source.metadata.namespace, key), opaquePorts);
    for (const address of value?.addresses ?? []) byAddress.set(address, opaquePorts);
  }
  const now = { byPod, byAddress };
  return isDeepStrictEqual(now, before) ? before : now;
}

/**
 * The Service with the protocol `tcp` for each port that leads to an opaque port of any pod, also of one that is not
 * ready: bytes reach those that would take HTTP too, the other way round it would not be so.
 */
export function heedOpaqueWords<C extends CompiledService>(service: C, words: OpaqueWords): C {
  const { value } = service;
  if (value === undefined || words.byPod.size === 0) return service;
  const isOpaque = (endpoint: Endpoint): boolean => isOpaqueEndpoint(value, endpoint, words);
  const opaque = value.ports.map(
    (port) => port.protocol !== "tcp" && port.endpoints.some(isOpaque),
  );
  if (!opaque.includes(true)) return service;
  const ports = value.ports.map((port, i) =>
    opaque[i] === true ? { ...port, protocol: "tcp" as const } : port,
  );
  return { ...service, value: { ...value, ports } };
}

function isOpaqueEndpoint(
  { namespace }: Service,
  { address, port, workload }: Endpoint,
  { byPod, byAddress }: OpaqueWords,
): boolean {
  const named = workload === undefined ? undefined : byPod.get(podKey(namespace, workload));
  return [named, byAddress.get(address)].some((ranges) => includesPort(ranges ?? [], port));
}
