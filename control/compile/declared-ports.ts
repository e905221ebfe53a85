/** What all Services together say about the ports of each pod. */

import { isDeepStrictEqual } from "node:util";
import type { DeclaredProtocol } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import { commonProtocol, type PodPort } from "./protocol.ts";
import type { CompiledService, DeclaredPort } from "./services.ts";

/** The ports of each pod by podKey(), and the Services that disagree. */
export interface MergedPorts {
  readonly ports: ReadonlyMap<string, readonly PodPort[]>;
  readonly portConditions: readonly Condition[];
}

/** One port while it is merged. */
interface Merging {
  readonly port: number;
  readonly protocol: DeclaredProtocol;
  readonly said: boolean;
  /** Key of the Service that leads to it; undefined when several do. */
  readonly only: string | undefined;
  /** The first declaration that says a protocol, to say who disagrees with whom. */
  readonly first: DeclaredPort | undefined;
}

/**
 * Merges the declarations. A pod can't see by which port of which Service a connection came: where they differ, the port
 * counts as what is right for all of them (commonProtocol), and Services that say another protocol than the first by
 * `namespace/name` get a condition; `detect` is no opinion. Lists equal to `before` are taken over by identity.
 */
export function mergeDeclaredPorts(
  services: readonly CompiledService[],
  before: ReadonlyMap<string, readonly PodPort[]>,
): MergedPorts {
  const byPod = new Map<string, Map<number, Merging>>();
  const portConditions: Condition[] = [];
  for (const service of [...services].sort((a, b) => (a.key < b.key ? -1 : 1))) {
    const quarrels = new Map<number, Condition>();
    for (const said of service.declared) {
      const pod = byPod.get(said.pod) ?? new Map<number, Merging>();
      byPod.set(said.pod, pod);
      const known = pod.get(said.port);
      const first = known?.first;
      if (first !== undefined && said.protocol !== "detect" && said.protocol !== first.protocol)
        quarrels.set(said.port, quarrel(service, said, first));
      pod.set(said.port, merged(known, said));
    }
    portConditions.push(...quarrels.values());
  }
  const ports = new Map<string, readonly PodPort[]>();
  for (const [key, pod] of byPod) ports.set(key, takeOver(before.get(key), pod));
  return { ports, portConditions };
}

function merged(known: Merging | undefined, declared: DeclaredPort): Merging {
  const { port, protocol, by } = declared;
  const said = protocol !== "detect";
  if (known === undefined)
    return { port, protocol, said, only: by, first: said ? declared : undefined };
  const only = known.only === by ? by : undefined;
  if (known.protocol === protocol) return known.only === only ? known : { ...known, only };
  return {
    port,
    protocol: commonProtocol(known.protocol, protocol),
    said: true,
    only,
    first: known.first ?? declared,
  };
}

function quarrel(service: CompiledService, said: DeclaredPort, first: DeclaredPort): Condition {
  const other = first.by === service.key ? "another of its ports" : `Service ${first.by}`;
  const both = commonProtocol(said.protocol, first.protocol);
  const meanwhile = both === "detect" ? "the first bytes decide" : "bytes are carried unread";
  return {
    ref: objectRef(service.source),
    reason: "protocol-conflict",
    field: "spec.ports",
    problem: `says ${said.protocol} for pod port ${said.port}, but ${other} says ${first.protocol}`,
    nextStep: `declare the same protocol, or give each its own target port; until then ${meanwhile} at the pod`,
  };
}

function takeOver(
  before: readonly PodPort[] | undefined,
  pod: ReadonlyMap<number, Merging>,
): readonly PodPort[] {
  const now = Array.from(pod.values(), podPort).sort((a, b) => a.port - b.port);
  const same =
    before?.length === now.length && before.every((port, i) => isDeepStrictEqual(port, now[i]));
  return same ? before : now;
}

/** A Service and its pods are of one namespace: the pods' port names it by name alone. */
function podPort({ port, protocol, said, only }: Merging): PodPort {
  const service = only?.slice(only.indexOf("/") + 1);
  return { port, protocol, said, ...(service !== undefined && { service }) };
}
