/** How endpoints of a Service become the next ones without all of them being told again: pure. */

import type { Endpoint, EndpointChanges, EndpointKey, Service } from "./service.ts";

/** The order of a port's endpoints: below 0 when `a` comes first, 0 when both are the same endpoint. */
export function compareEndpoints(a: EndpointKey, b: EndpointKey): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return a.port - b.port;
}

/**
 * The Services that are named, each with its changes; undefined when one of them, or its port, is not in `services`: the
 * changes are for another snapshot then. Ports that no change names keep their identity. Costs the endpoints of the named
 * ports once, without comparing any of them.
 */
export function changedServices(
  services: Pick<ReadonlyMap<string, Service>, "get">,
  changes: readonly EndpointChanges[],
): ReadonlyMap<string, Service> | undefined {
  const changed = new Map<string, Service>();
  for (const change of changes) {
    const before = changed.get(change.service) ?? services.get(change.service);
    const after = before && withChange(before, change);
    if (after === undefined) return undefined;
    changed.set(change.service, after);
  }
  return changed;
}

function withChange(service: Service, change: EndpointChanges): Service | undefined {
  const index = service.ports.findIndex(({ port }) => port === change.port);
  const port = service.ports[index];
  if (port === undefined) return undefined;
  const endpoints = merged(port.endpoints, change);
  return { ...service, ports: service.ports.with(index, { ...port, endpoints }) };
}

/** Both lists are in order, and so is what comes of them. */
function merged(
  before: readonly Endpoint[],
  { upsert, remove }: Pick<EndpointChanges, "upsert" | "remove">,
): readonly Endpoint[] {
  const named = new Set([...upsert, ...remove].map(endpointKeyText));
  const kept = before.filter((endpoint) => !named.has(endpointKeyText(endpoint)));
  const after: Endpoint[] = [];
  let next = 0;
  for (const endpoint of upsert) {
    for (let old = kept[next]; old !== undefined; old = kept[next]) {
      if (compareEndpoints(old, endpoint) > 0) break;
      after.push(old);
      next += 1;
    }
    after.push(endpoint);
  }
  for (const old of kept.slice(next)) after.push(old);
  return after;
}

/** An endpoint's key as a text, for maps and sets. */
export function endpointKeyText({ address, port }: EndpointKey): string {
  return `${address} ${port}`;
}
