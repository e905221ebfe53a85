/** Which pods are behind a Service, asked of the pods themselves: slices come later, and leave out some. */

import type { Pod } from "../k8s/api/pod.ts";
import type { EndpointSlice, Service } from "../k8s/api/service.ts";
import { type World, worldKey } from "../world.ts";

/** The live pods behind a Service. */
export type PodFinder = (service: Service) => readonly Pod[];

/** Finds pods of a world by the Services' selectors; costs a look at all pods, and one at a namespace's for each question. */
export function podFinder(
  world: Pick<World, "pods">,
  slices: ReadonlyMap<string, readonly EndpointSlice[]>,
): PodFinder {
  const byNamespace = Map.groupBy(world.pods.values(), ({ metadata }) => metadata.namespace);
  return (service) => {
    const { namespace } = service.metadata;
    const selector = Object.entries(service.spec.selector);
    const pods = (byNamespace.get(namespace) ?? []).filter(isLive);
    // A Service without a selector has hand-made endpoints; they may name pods.
    return selector.length > 0
      ? pods.filter(({ metadata }) => selector.every(([k, v]) => metadata.labels[k] === v))
      : targetsOf(pods, slices.get(worldKey(service.metadata)) ?? []);
  };
}

function targetsOf(pods: readonly Pod[], slices: readonly EndpointSlice[]): readonly Pod[] {
  const targets = slices.flatMap(({ endpoints }) => endpoints.map(({ targetRef }) => targetRef));
  const names = new Set(targets.flatMap((target) => (target?.kind === "Pod" ? [target.name] : [])));
  return pods.filter(({ metadata }) => names.has(metadata.name));
}

function isLive({ status }: Pod): boolean {
  return status.phase !== "Succeeded" && status.phase !== "Failed";
}
