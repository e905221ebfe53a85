/** What agents saw on ports that are declared HTTP/1, as conditions of whoever declares them. */

import { includesPort } from "#model/enrolment.ts";
import type { MisdeclaredPort, Misspoken } from "#model/misdeclared.ts";
import type { Workload } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import type { ObjectRef } from "../k8s/api/schema.ts";
import type { Compilation } from "./compile.ts";
import { type CompiledPort, type CompiledService, podKey } from "./services.ts";

/** Ports that are told of at a time, over the whole cluster. */
export const MAX_TOLD_PORTS = 500;

/** A place that declares HTTP/1, and what is spoken there. */
interface Place {
  readonly ref: ObjectRef;
  readonly field: string;
  readonly port: number;
  readonly spoken: Set<Misspoken>;
}

/**
 * One condition for each port, whoever saw it: a port of a Service, or of a pod to which no such port leads. What is not
 * declared HTTP/1 (any more) has none, so that it ends once the declaration is mended. The first MAX_TOLD_PORTS by name.
 */
export function misdeclaredConditions(
  ports: readonly MisdeclaredPort[],
  compilation: Compilation,
): readonly Condition[] {
  const places = new Map<string, Place>();
  const add = (place: Omit<Place, "spoken">, spoken: Misspoken): void => {
    const { ref, field } = place;
    const key = `${ref.kind} ${ref.namespace}/${ref.name} ${field}`;
    places.getOrInsertComputed(key, () => ({ ...place, spoken: new Set() })).spoken.add(spoken);
  };
  const leading = leadingPorts(ports, compilation);
  for (const seen of ports) {
    const found =
      seen.kind === "service"
        ? servicePlace(seen.service, seen.port, compilation)
        : podPlaces(seen, compilation, leading);
    for (const place of found) add(place, seen.spoken);
  }
  const sorted = [...places].sort(([a], [b]) => (a < b ? -1 : 1)).slice(0, MAX_TOLD_PORTS);
  return sorted.map(([, place]) => conditionOf(place));
}

function servicePlace(
  key: string,
  port: number,
  { services, compiledServices }: Compilation,
): readonly Omit<Place, "spoken">[] {
  const told = services.get(key)?.ports.find((one) => one.port === port);
  const compiled = compiledServices.get(key)?.output;
  const declaring = compiled?.ports.find((one) => one.port === port);
  // Told as tcp: a pod behind it has opaque ports, and what was seen was seen before.
  if (compiled === undefined || declaring === undefined || told?.protocol !== "http") return [];
  return [placeOf(compiled, declaring)];
}

function placeOf(
  { source }: CompiledService,
  { field, port }: CompiledPort,
): Omit<Place, "spoken"> {
  return { ref: objectRef(source), field, port };
}

/** Ports of Services that are declared HTTP/1 and lead to a pod's port, by portKey(). */
type Leading = ReadonlyMap<string, readonly Omit<Place, "spoken">[]>;

function portKey(pod: string, port: number): string {
  return `${pod} ${port}`;
}

/** All of them are looked for at once, as there are many endpoints. */
function leadingPorts(
  ports: readonly MisdeclaredPort[],
  { workloads, compiledServices }: Compilation,
): Leading {
  const leading = new Map<string, Omit<Place, "spoken">[]>();
  for (const seen of ports) {
    const workload = seen.kind === "pod" ? workloads.get(seen.pod) : undefined;
    if (workload !== undefined)
      leading.set(portKey(podKey(workload.namespace, workload.uid), seen.port), []);
  }
  if (leading.size === 0) return leading;
  for (const { output } of compiledServices.values())
    for (const port of output.ports.filter(({ protocol }) => protocol === "http"))
      for (const key of podPortsBehind(output, port)) leading.get(key)?.push(placeOf(output, port));
  return leading;
}

function podPortsBehind(
  { source }: CompiledService,
  { endpoints }: CompiledPort,
): ReadonlySet<string> {
  const { namespace } = source.metadata;
  return new Set(
    endpoints.map(({ workload = "", port }) => portKey(podKey(namespace, workload), port)),
  );
}

function podPlaces(
  seen: Extract<MisdeclaredPort, { kind: "pod" }>,
  { workloads }: Compilation,
  leading: Leading,
): readonly Omit<Place, "spoken">[] {
  const workload = workloads.get(seen.pod);
  if (workload === undefined || !declaresHttp(workload, seen.port)) return [];
  const { namespace, name } = workload;
  const services = leading.get(portKey(podKey(namespace, seen.pod), seen.port)) ?? [];
  if (services.length > 0) return services;
  return [
    { ref: { kind: "Pod", namespace, name }, field: "spec.containers.ports", port: seen.port },
  ];
}

function declaresHttp({ ports, enrolment, opaquePorts }: Workload, port: number): boolean {
  if (includesPort(enrolment?.opaquePorts ?? opaquePorts ?? [], port)) return false;
  return ports.some((declared) => declared.port === port && declared.protocol === "http");
}

/** In the order in which they are told. */
const WORDS: Readonly<Record<Misspoken, { readonly name: string; readonly remedy: string }>> = {
  http2: { name: "HTTP/2", remedy: "http2 or grpc (appProtocol: kubernetes.io/h2c)" },
  tls: { name: "TLS", remedy: "https (appProtocol: https)" },
  proxy: { name: "the PROXY protocol", remedy: "tcp (appProtocol: tcp)" },
  other: { name: "something that is no HTTP", remedy: "tcp (appProtocol: tcp)" },
};

function conditionOf({ ref, field, port, spoken }: Place): Condition {
  const all = (Object.keys(WORDS) as Misspoken[]).filter((one) => spoken.has(one));
  const names = all.map((one) => WORDS[one].name).join(" and ");
  // Several of them together are bytes to the mesh.
  const { remedy } = WORDS[all.length === 1 && all[0] !== undefined ? all[0] : "other"];
  return {
    ref,
    reason: "misdeclared-port",
    field,
    // What is spoken is not part of it: however much that is, it is one problem.
    problem: `port ${port} is declared http, but clients speak something else there, which is carried as bytes`,
    nextStep: `seen was ${names}: let the port's name begin with ${remedy}`,
  };
}
