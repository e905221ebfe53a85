/** Which endpoints of a Service changed, and how agents are told of it: pure. */

import { isDeepStrictEqual } from "node:util";
import { endpointKeyText } from "#model/endpoint-changes.ts";
import {
  type Endpoint,
  type EndpointChanges,
  type EndpointKey,
  type Service,
  type ServicePort,
  serviceKey,
} from "#model/service.ts";

/** An endpoint of one port of a Service, whatever happened to it. */
export interface TouchedEndpoint {
  /** The Service's port. */
  readonly servicePort: number;
  readonly endpoint: EndpointKey;
}

/** What of a Service changed from one version to the next: endpoints, or more than that. */
export type Touched = "whole" | readonly TouchedEndpoint[];

/** All of an endpoint that can change: a field that is missing here does not compile. */
const ENDPOINT_FIELDS = Object.keys({
  address: true,
  port: true,
  state: true,
  workload: true,
  onlyFrom: true,
} satisfies Record<keyof Endpoint, true>) as readonly (keyof Endpoint)[];

/** What changed between two versions of a Service. Undefined stands for no such Service. */
export function touchedBy(before: Service | undefined, after: Service | undefined): Touched {
  if (before === undefined || after === undefined) return "whole";
  // Not from an API server, but manifests may say a port twice: changes would not tell which of the two they are of.
  if (new Set(after.ports.map(({ port }) => port)).size < after.ports.length) return "whole";
  if (!isDeepStrictEqual(withoutEndpoints(before), withoutEndpoints(after))) return "whole";
  return after.ports.flatMap((port, index) =>
    changedKeys(before.ports[index]?.endpoints ?? [], port.endpoints).map((endpoint) => ({
      servicePort: port.port,
      endpoint,
    })),
  );
}

/**
 * How a Service is told to those who had it before all of this was touched: by its ports' changes; `"whole"` when that is no
 * longer than they are.
 */
export function changesOf(
  service: Service,
  touched: readonly TouchedEndpoint[],
): "whole" | readonly EndpointChanges[] {
  const changes = service.ports.map((port) => changesOfPort(service, port, touched));
  const told = changes.reduce((sum, { upsert, remove }) => sum + upsert.length + remove.length, 0);
  const all = service.ports.reduce((sum, { endpoints }) => sum + endpoints.length, 0);
  if (told >= all) return "whole";
  return changes.filter(({ upsert, remove }) => upsert.length + remove.length > 0);
}

function changesOfPort(
  service: Service,
  { port, endpoints }: ServicePort,
  touched: readonly TouchedEndpoint[],
): EndpointChanges {
  const ours = touched.filter(({ servicePort }) => servicePort === port);
  const named = new Map(ours.map(({ endpoint }) => [endpointKeyText(endpoint), endpoint]));
  const upsert = endpoints.filter((endpoint) => named.delete(endpointKeyText(endpoint)));
  const remove = Array.from(named.values(), ({ address, port: of }) => ({ address, port: of }));
  return { service: serviceKey(service), port, upsert, remove };
}

function withoutEndpoints({ ports, ...rest }: Service): object {
  return { ...rest, ports: ports.map(({ endpoints: _, ...port }) => port) };
}

function changedKeys(before: readonly Endpoint[], after: readonly Endpoint[]): EndpointKey[] {
  const gone = new Map(before.map((endpoint) => [endpointKeyText(endpoint), endpoint]));
  const changed: EndpointKey[] = [];
  for (const endpoint of after) {
    const key = endpointKeyText(endpoint);
    const old = gone.get(key);
    gone.delete(key);
    if (old === undefined || !isSame(old, endpoint)) changed.push(endpoint);
  }
  return [...changed, ...gone.values()];
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return ENDPOINT_FIELDS.every((field) => a[field] === b[field]);
}
