/** Services that lead to a port by a name that none of their pods has: nothing else would say why they have no endpoints. */

import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import { containerPorts } from "../k8s/api/pod.ts";
import type { PodFinder } from "./selection.ts";
import type { CompiledPort, CompiledService } from "./services.ts";

/**
 * A condition for each TCP port whose name no live pod behind its Service has. While there are pods that have it, others
 * may lack it, as during a rollout; without pods nothing can be said. `finder` is asked for only where there is doubt.
 */
export function unknownPorts(
  services: readonly CompiledService[],
  finder: () => PodFinder,
): readonly Condition[] {
  const doubtful = services.filter(
    ({ source, ports }) => Object.keys(source.spec.selector).length > 0 && ports.some(isDoubtful),
  );
  if (doubtful.length === 0) return [];
  const podsBehind = finder();
  return doubtful.flatMap((service) => {
    const pods = podsBehind(service.source);
    if (pods.length === 0) return [];
    const known = new Set(
      pods.flatMap(({ spec }) =>
        containerPorts(spec).flatMap(({ name, protocol }) => (protocol === "TCP" ? [name] : [])),
      ),
    );
    return service.ports
      .filter((port) => isDoubtful(port) && !known.has(String(port.targetPort)))
      .map((port) => unknownPort(service, port));
  });
}

/** Where there is an endpoint, somebody has the port. */
function isDoubtful({ targetPort, endpoints }: CompiledPort): boolean {
  return typeof targetPort === "string" && endpoints.length === 0;
}

function unknownPort({ source }: CompiledService, { field, targetPort }: CompiledPort): Condition {
  return {
    ref: objectRef(source),
    reason: "unknown-port",
    field: `${field}.targetPort`,
    problem: `no container of the pods it selects has a TCP port named ${JSON.stringify(targetPort)}`,
    nextStep: "give a container's port that name, or its number here",
  };
}
