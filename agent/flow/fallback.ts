/**
 * Where a connection goes when none of the endpoints that are known answers: refused, or, when control was away so long
 * that they may be those of yesterday, to the ClusterIP that was dialled, as without a mesh (kube-proxy knows better).
 * Pure. What asks counts and warns; see FlowContext.fallback.
 */

import { serviceKey } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { Plan } from "./plan.ts";

/** What the decision is made of. */
export interface FallbackFacts {
  /** Only what dialled a Service has a ClusterIP to go to. */
  readonly dialled: "service" | "other";
  /** Whether control has been away for so long that endpoints may be others' (state/absence.ts). */
  readonly controlAway: boolean;
  /** Whether the client or any pod known behind the Service is strict: who takes its place may not be in the mesh. */
  readonly strict: boolean;
  /** Whether a policy is about the connection: kube-proxy's choice is not the one that it allowed. */
  readonly underPolicy: boolean;
  /** Whether the Service was ever reached by mutual TLS: plain bytes would be a downgrade. */
  readonly onceMutual: boolean;
}

/** Decides. `refuse` means whatever refusal there was. */
export function decideFallback(facts: FallbackFacts): "cluster-ip" | "refuse" {
  const guarded = facts.strict || facts.underPolicy || facts.onceMutual;
  return facts.dialled === "service" && facts.controlAway && !guarded ? "cluster-ip" : "refuse";
}

/**
 * The facts of a plan; `workload` finds a pod by uid. There are no policies and no mutual TLS yet: whoever brings them
 * says so here, and every caller is held to it.
 */
export function fallbackFacts(
  { nextHop, source }: Plan,
  controlAway: boolean,
  workload: (uid: string) => Workload | undefined,
): FallbackFacts {
  const endpoints = nextHop.kind === "balanced" ? nextHop.entry.port.endpoints : [];
  const strict =
    (!("kind" in source) && isStrict(source)) ||
    endpoints.some((endpoint) => isStrict(workload(endpoint.workload ?? "")));
  return {
    dialled: nextHop.kind === "balanced" ? "service" : "other",
    controlAway,
    strict,
    underPolicy: false,
    onceMutual: false,
  };
}

function isStrict(workload: Workload | undefined): boolean {
  return workload?.enrolment?.mtls === "strict";
}

/** The key of the Service that a plan leads to; empty when it leads to none. */
export function serviceOf({ nextHop }: Plan): string {
  return nextHop.kind === "balanced" ? serviceKey(nextHop.entry.service) : "";
}

/** Services that are warned of at a time. */
const MAX_WARNED = 1000;

/** Of which Services was warned: one worker's. */
export class FallbackWarnings {
  readonly #now: () => number;
  readonly #againMs: number;
  readonly #warnedAt: Map<string, number> = new Map();

  /** `now`: any clock, in milliseconds. `againMs`: how long a warning lasts. */
  constructor(now: () => number, againMs: number) {
    this.#now = now;
    this.#againMs = againMs;
  }

  /** Whether to warn of a connection that goes to this Service's ClusterIP now. */
  warns(service: string): boolean {
    const now = this.#now();
    const last = this.#warnedAt.get(service);
    if (last !== undefined && now - last < this.#againMs) return false;
    if (this.#warnedAt.size >= MAX_WARNED) this.#warnedAt.clear();
    this.#warnedAt.set(service, now);
    return true;
  }
}
