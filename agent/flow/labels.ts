/** What a connection or request is counted under. Pure: a plan and the pods at its ends in, labels out. */

import { includesPort } from "#model/enrolment.ts";
import { serviceKey } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { Identified } from "./identify.ts";
import type { Party, Plan } from "./plan.ts";

/** Label value of a party that is no pod, or that is not known. */
const UNKNOWN = "unknown";

/** Under what kubelet's HTTP probes are counted, with an empty namespace, which no workload has: they are nobody's requests. */
const KUBELET = "kubelet";

/** Who counts: the agent of the client's node, or that of the server's. */
export type Reporter = "source" | "destination";

/** Who talks to whom. */
export interface PairLabels {
  readonly src_namespace: string;
  readonly src_workload: string;
  readonly dst_namespace: string;
  readonly dst_workload: string;
  readonly dst_service: string;
}

/** What a series of a pair of workloads is told apart by. */
export interface EdgeLabels extends PairLabels {
  readonly reporter: Reporter;
  readonly path: "proxy";
  readonly security: "local" | "none";
}

/** Who serves, by one of its ports: a pod, or one that stands for all of its workload. */
export interface Served {
  readonly workload: Workload;
  readonly port: number;
  /** Where; undefined when pods of several nodes do, or in and outside of the mesh: then it is no one agent's to say. */
  readonly node: string | undefined;
}

/** Who is at the ends, and who looks at them. */
export interface Sides {
  readonly plan: Plan;
  /** Who serves; undefined when nobody known does, or when it is not one alone. */
  readonly served: Served | undefined;
  /** This agent's node. */
  readonly node: string;
}

/** What labels are made of. */
export interface EdgeFacts extends Sides {
  /** The request is kubelet's probe. */
  readonly probe: boolean;
}

/** Finds a pod by its uid. */
export type FindWorkload = (uid: string) => Workload | undefined;

/** The pod that an endpoint of a plan is. */
export function servedBy(
  { nextHop }: Plan,
  endpoint: LiveEndpoint | undefined,
  find: FindWorkload,
): Served | undefined {
  if (nextHop.kind === "fixed") return servedAt(nextHop.workload, nextHop.address.port);
  return endpoint && servedAt(find(endpoint.workload ?? ""), endpoint.port);
}

/**
 * The pod that stands for all endpoints of a plan's Service when they are of one workload: connections whose requests go
 * to several are counted under it.
 */
export function servedByAll({ nextHop }: Plan, find: FindWorkload): Served | undefined {
  if (nextHop.kind === "fixed") return servedAt(nextHop.workload, nextHop.address.port);
  let common: Served | undefined;
  for (const { workload: uid = "", port } of nextHop.entry.port.endpoints) {
    const workload = find(uid);
    if (workload === undefined) return undefined;
    common ??= { workload, port, node: workload.node };
    const { owner, namespace, enrolment } = common.workload;
    if (workload.owner !== owner || workload.namespace !== namespace) return undefined;
    const alike = (workload.enrolment === undefined) === (enrolment === undefined);
    if (workload.node !== common.node || !alike) common = { ...common, node: undefined };
  }
  return common;
}

/**
 * The labels of a connection or request, one set for each side that counts it. Between pods of one node there is no second
 * agent that could count as the server's: who carries it does.
 */
export function edgeLabels(facts: EdgeFacts): readonly EdgeLabels[] {
  const { plan, served, probe } = facts;
  const edge = {
    ...(probe ? { src_namespace: "", src_workload: KUBELET } : sourceLabels(plan.source)),
    ...destinationLabels(plan, served),
    path: "proxy",
    security: isLocal(facts) ? "local" : "none",
  } as const;
  return reportersOf(facts).map((reporter) => ({ reporter, ...edge }));
}

/** The sides that tell of a connection or request of a plan, the client's first. */
export function reportersOf(facts: Sides): readonly Reporter[] {
  if (facts.plan.direction === "inbound") return ["destination"];
  return isLocal(facts) && isMeshed(facts.served) ? ["source", "destination"] : ["source"];
}

function isLocal({ plan, served, node }: Sides): boolean {
  const inbound = plan.direction === "inbound";
  return (inbound ? podOf(plan.source)?.node : served?.node) === node;
}

/** The labels of a connection that was turned away before there was a plan; `identified`: as far as it was known. */
export function turnedLabels(identified: Identified | undefined): PairLabels {
  if (identified === undefined)
    return { ...sourceLabels(undefined), ...podLabels(undefined), dst_service: "" };
  const { source, destination } = identified;
  const from = sourceLabels(source);
  const target = identified.kind === "inbound" ? identified.target : targetOf(identified);
  if (identified.kind === "outbound" && identified.target.kind === "service") {
    const { service } = identified.target.entry;
    return {
      ...from,
      dst_namespace: service.namespace,
      dst_workload: UNKNOWN,
      dst_service: serviceKey(service),
    };
  }
  const dst_service = serviceAt(servedAt(target, destination.port));
  return { ...from, ...podLabels(target), dst_service };
}

function targetOf({ target }: Extract<Identified, { kind: "outbound" }>): Workload | undefined {
  return target.kind === "pod" ? target.workload : undefined;
}

function destinationLabels(
  { nextHop }: Plan,
  served: Served | undefined,
): Omit<PairLabels, "src_namespace" | "src_workload"> {
  const target = podLabels(served?.workload);
  if (nextHop.kind === "fixed") return { ...target, dst_service: serviceAt(served) };
  const { service } = nextHop.entry;
  const dst_service = serviceKey(service);
  return served === undefined
    ? { dst_namespace: service.namespace, dst_workload: UNKNOWN, dst_service }
    : { ...target, dst_service };
}

function podLabels(
  workload: Workload | undefined,
): Pick<PairLabels, "dst_namespace" | "dst_workload"> {
  return {
    dst_namespace: workload?.namespace ?? UNKNOWN,
    dst_workload: workload?.owner ?? UNKNOWN,
  };
}

function sourceLabels(
  party: Party | undefined,
): Pick<PairLabels, "src_namespace" | "src_workload"> {
  const pod = party && podOf(party);
  return { src_namespace: pod?.namespace ?? UNKNOWN, src_workload: pod?.owner ?? UNKNOWN };
}

/** The one Service that leads to the port of a pod that was dialled by its own address. */
function serviceAt(served: Served | undefined): string {
  if (served === undefined) return "";
  const { workload, port } = served;
  const name = workload.ports.find((one) => one.port === port)?.service;
  return name === undefined ? "" : serviceKey({ namespace: workload.namespace, name });
}

function servedAt(workload: Workload | undefined, port: number): Served | undefined {
  return workload && { workload, port, node: workload.node };
}

function podOf(party: Party): Workload | undefined {
  return "kind" in party ? undefined : party;
}

/** Whether the mesh stands before the pod's port. */
export function isMeshed(served: Served | undefined): boolean {
  const enrolment = served?.workload.enrolment;
  if (served === undefined || enrolment === undefined) return false;
  return !includesPort(enrolment.excludeInboundPorts, served.port);
}
