/** What all Services together say about the ports of each pod. */

import type { WorkloadPort } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import type { CompiledService, DeclaredPort } from "./services.ts";

/** The ports of each pod by podKey(), and the Services that disagree. */
export interface MergedPorts {
  readonly ports: ReadonlyMap<string, readonly WorkloadPort[]>;
  readonly portConditions: readonly Condition[];
}

/**
 * Merges the declarations. Where Services disagree about a port, the first by `namespace/name` wins and
 * the other gets a condition; `detect` is no opinion. Lists equal to `before` are taken over by identity.
 */
export function mergeDeclaredPorts(
  services: readonly CompiledService[],
  before: ReadonlyMap<string, readonly WorkloadPort[]>,
): MergedPorts {
  const byPod = new Map<string, Map<number, DeclaredPort>>();
  const portConditions: Condition[] = [];
  for (const service of [...services].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const quarrels = new Map<number, Condition>();
    for (const said of service.declared) {
      const pod = byPod.get(said.pod) ?? new Map<number, DeclaredPort>();
      byPod.set(said.pod, pod);
      const known = pod.get(said.port);
      if (known === undefined || known.protocol === "detect") pod.set(said.port, said);
      else if (said.protocol !== "detect" && said.protocol !== known.protocol)
        quarrels.set(said.port, quarrel(service, said, known));
    }
    portConditions.push(...quarrels.values());
  }
  const ports = new Map<string, readonly WorkloadPort[]>();
  for (const [key, pod] of byPod) ports.set(key, takeOver(before.get(key), pod));
  return { ports, portConditions };
}

function quarrel(service: CompiledService, said: DeclaredPort, known: DeclaredPort): Condition {
  return {
    ref: objectRef(service.source),
    reason: "protocol-conflict",
    field: "spec.ports",
    problem: `says ${said.protocol} for pod port ${said.port}, but Service ${known.by} says ${known.protocol}`,
    nextStep: "declare the same protocol in both Services",
  };
}

function takeOver(
  before: readonly WorkloadPort[] | undefined,
  pod: ReadonlyMap<number, DeclaredPort>,
): readonly WorkloadPort[] {
  const now = Array.from(pod.values(), ({ port, protocol }) => ({ port, protocol }));
  now.sort((a, b) => a.port - b.port);
  const same =
    before?.length === now.length &&
    before.every((said, i) => said.port === now[i]?.port && said.protocol === now[i]?.protocol);
  return same ? before : now;
}
