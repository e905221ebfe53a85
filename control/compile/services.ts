/** One Service and its EndpointSlices to one service of the model. */

import { canonicalAddress } from "#model/address.ts";
import { readServiceWords } from "#model/annotations.ts";
import { DEFAULT_BALANCE } from "#model/balance.ts";
import { compareEndpoints, endpointKeyText } from "#model/endpoint-changes.ts";
import {
  type Endpoint,
  type EndpointState,
  type Service,
  type ServicePort,
  serviceKey,
} from "#model/service.ts";
import type { DeclaredProtocol } from "#model/workload.ts";
import type { Condition } from "../k8s/api/condition.ts";
import { objectRef } from "../k8s/api/decode.ts";
import type { PortOrName } from "../k8s/api/schema.ts";
import type {
  EndpointSlice,
  Service as KubeService,
  ServicePort as KubeServicePort,
  SliceEndpoint,
  TargetRef,
} from "../k8s/api/service.ts";
import { protocolOfApp, protocolOfName } from "./protocol.ts";
import { sameItems } from "./stages.ts";
import { wordConditions } from "./workloads.ts";

/** A Service's compilation. */
export interface CompiledService {
  /** undefined: the Service has no virtual IP (headless, ExternalName, not assigned yet). */
  readonly value: Service | undefined;
  readonly key: string;
  readonly created: string;
  readonly source: KubeService;
  /** Its TCP ports, headless or not. */
  readonly ports: readonly CompiledPort[];
  /** The ports of pods behind it, headless or not. */
  readonly declared: readonly DeclaredPort[];
  readonly conditions: readonly Condition[];
}

/** One TCP port of a Service, and where it stands there. */
export interface CompiledPort extends ServicePort {
  /** For example `spec.ports[0]`. */
  readonly field: string;
  readonly targetPort: PortOrName | undefined;
}

/** A Service's word on one port of one pod. */
export interface DeclaredPort {
  /** podKey() of the pod. */
  readonly pod: string;
  readonly port: number;
  readonly protocol: DeclaredProtocol;
  /** Key of the Service, to say who disagrees with whom. */
  readonly by: string;
}

/** Seconds of ClientIP affinity when the Service does not say (core/v1: three hours). */
const DEFAULT_AFFINITY_SECONDS = 10_800;

/** The best state wins when two slices name one endpoint, as they do while it moves between them. */
const RANK: Readonly<Record<EndpointState, number>> = { ready: 2, draining: 1, unready: 0 };

/** Slices by the Service that they belong to, in order of their names. */
export type SlicesByService = ReadonlyMap<string, readonly EndpointSlice[]>;

/** Each Service's slices by `namespace/name`; a list of the same slices is that of `before`. */
export function servicesSlices(
  slices: Iterable<EndpointSlice>,
  before: SlicesByService | undefined,
): SlicesByService {
  const byService = new Map<string, EndpointSlice[]>();
  for (const slice of slices) {
    const { namespace, labels } = slice.metadata;
    const name = labels["kubernetes.io/service-name"];
    if (name === undefined) continue;
    const key = `${namespace}/${name}`;
    const known = byService.get(key);
    if (known === undefined) byService.set(key, [slice]);
    else known.push(slice);
  }
  const lists = new Map<string, readonly EndpointSlice[]>();
  for (const [key, list] of byService) {
    if (list.length > 1) list.sort((a, b) => compare(nameOf(a), nameOf(b)));
    const known = before?.get(key);
    lists.set(key, known !== undefined && sameItems(known, list) ? known : list);
  }
  return lists;
}

/** Compiles a Service with its own slices. */
export function compileService(
  source: KubeService,
  slices: readonly EndpointSlice[],
): CompiledService {
  const { namespace, name, creationTimestamp: created = "" } = source.metadata;
  const key = serviceKey({ namespace, name });
  const words = readServiceWords(source.metadata);
  const { balance = DEFAULT_BALANCE, connections } = words.value;
  const addresses = clusterAddresses(source);
  const conditions = [...wordConditions(source, words.problems), ...addresses.conditions];
  const ports: CompiledPort[] = [];
  for (const [i, port] of source.spec.ports.entries()) {
    // UDP and SCTP are not the mesh's.
    if (port.protocol !== "TCP") continue;
    const protocol = protocolOf(source, i, port);
    conditions.push(...protocol.conditions);
    ports.push({
      field: `spec.ports[${i}]`,
      targetPort: port.targetPort,
      name: port.name,
      port: port.port,
      protocol: protocol.value,
      endpoints: endpointsOf(source, port, slices),
    });
  }
  const value: Service = {
    namespace,
    name,
    addresses: addresses.texts,
    balance,
    ...affinityOf(source),
    ...(connections !== undefined && { connections }),
    ports: ports.map(({ field: _field, targetPort: _target, ...port }) => port),
  };
  return {
    value: addresses.texts.length === 0 ? undefined : value,
    key,
    created,
    source,
    ports,
    declared: declaredBy({ namespace, key }, ports),
    conditions,
  };
}

function clusterAddresses(service: KubeService): {
  texts: readonly string[];
  conditions: readonly Condition[];
} {
  const { type, clusterIP, clusterIPs } = service.spec;
  if (type === "ExternalName") return { texts: [], conditions: [] };
  const given = clusterIPs.length > 0 ? clusterIPs : clusterIP === undefined ? [] : [clusterIP];
  const texts = new Set<string>();
  const conditions: Condition[] = [];
  for (const [i, text] of given.entries()) {
    if (text === "None" || text === "") continue;
    const address = canonicalAddress(text);
    if (address !== undefined) texts.add(address);
    else
      conditions.push({
        ref: objectRef(service),
        reason: "malformed-address",
        field: `spec.clusterIPs[${i}]`,
        problem: `${JSON.stringify(text)} is not an IP address`,
        nextStep: 'give an IP address or "None"; the address is left out',
      });
  }
  return { texts: [...texts], conditions };
}

function protocolOf(
  service: KubeService,
  index: number,
  port: KubeServicePort,
): { value: DeclaredProtocol; conditions: readonly Condition[] } {
  if (port.appProtocol === undefined) return { value: protocolOfName(port.name), conditions: [] };
  const value = protocolOfApp(port.appProtocol);
  if (value !== undefined) return { value, conditions: [] };
  const condition: Condition = {
    ref: objectRef(service),
    reason: "unknown-protocol",
    field: `spec.ports[${index}].appProtocol`,
    problem: `${JSON.stringify(port.appProtocol)} is not a protocol the mesh knows`,
    nextStep: "use http, kubernetes.io/h2c, grpc, kubernetes.io/ws, tcp or tls",
  };
  return { value: protocolOfName(port.name), conditions: [condition] };
}

function affinityOf({ spec }: KubeService): { affinitySeconds?: number } {
  if (spec.sessionAffinity !== "ClientIP") return {};
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  return { affinitySeconds: seconds ?? DEFAULT_AFFINITY_SECONDS };
}

function endpointsOf(
  { spec }: KubeService,
  port: KubeServicePort,
  slices: readonly EndpointSlice[],
): readonly Endpoint[] {
  const endpoints = new Map<string, Endpoint>();
  const local = spec.internalTrafficPolicy === "Local";
  for (const slice of slices) {
    const match = slice.ports.find((p) => p.name === port.name && p.protocol === "TCP");
    if (match === undefined || slice.addressType === "FQDN") continue;
    // discovery/v1: a slice port without a number stands for any; the Service's own says which.
    const number =
      match.port ?? (typeof port.targetPort === "number" ? port.targetPort : port.port);
    for (const endpoint of slice.endpoints)
      for (const made of endpointAt(slice, endpoint, { port: number, local }))
        keepBest(endpoints, made);
  }
  return [...endpoints.values()].sort(compareEndpoints);
}

function endpointAt(
  slice: EndpointSlice,
  endpoint: SliceEndpoint,
  { port, local }: { readonly port: number; readonly local: boolean },
): readonly Endpoint[] {
  const state = stateOf(endpoint);
  const workload = workloadOf(slice, endpoint.targetRef);
  // As kube-proxy: by nodeName alone; who has none is on no node.
  const onlyFrom = local ? (endpoint.nodeName ?? "") : undefined;
  // A slice comes from a controller, not from a person: an unreadable address is left out in silence.
  return endpoint.addresses.flatMap((text) => {
    const address = canonicalAddress(text);
    if (address === undefined) return [];
    const extra = {
      ...(workload !== undefined && { workload }),
      ...(onlyFrom !== undefined && { onlyFrom }),
    };
    return [{ address, port, state, ...extra }];
  });
}

function keepBest(endpoints: Map<string, Endpoint>, endpoint: Endpoint): void {
  const key = endpointKeyText(endpoint);
  const known = endpoints.get(key);
  if (known === undefined || RANK[endpoint.state] > RANK[known.state]) endpoints.set(key, endpoint);
}

function stateOf({ conditions }: SliceEndpoint): EndpointState {
  const ready = conditions.ready ?? true;
  const serving = conditions.serving ?? ready;
  if (conditions.terminating === true) return serving ? "draining" : "unready";
  return ready ? "ready" : "unready";
}

/** The uid of the pod behind; hand-written slices name the pod only, whose uid is then `namespace/name`. */
function workloadOf(slice: EndpointSlice, target: TargetRef | undefined): string | undefined {
  if (target?.kind !== "Pod") return undefined;
  return target.uid ?? `${target.namespace || slice.metadata.namespace}/${target.name}`;
}

/** A pod as Services know it. Anybody may name any uid in a slice: that counts for pods of the same namespace only. */
export function podKey(namespace: string, uid: string): string {
  return `${namespace}/${uid}`;
}

function declaredBy(
  { namespace, key: by }: { readonly namespace: string; readonly key: string },
  ports: readonly ServicePort[],
): readonly DeclaredPort[] {
  return ports.flatMap(({ protocol, endpoints }) =>
    endpoints.flatMap(({ workload: uid, port }) =>
      uid === undefined ? [] : [{ pod: podKey(namespace, uid), port, protocol, by }],
    ),
  );
}

function nameOf(slice: EndpointSlice): string {
  return slice.metadata.name;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
