/** What a Deployment wants done next: a pure decision over the pods there are. */

import type { Controller, RolloutStrategy } from "../../../control/k8s/api/controllers.ts";

/** A pod as its controller sees it. */
export interface OwnedPod {
  readonly name: string;
  /** Hash of the template it was made from. */
  readonly hash: string;
  readonly ready: boolean;
  readonly terminating: boolean;
  /** Milliseconds since the epoch. */
  readonly createdMs: number;
}

/** What to do now; more may follow when that is done. */
export interface PodPlan {
  /** How many pods of the current template to make. */
  readonly create: number;
  /** Names of pods to end. */
  readonly remove: readonly string[];
}

/** Kubernetes' default for both bounds of a roll-out. */
const DEFAULT_BOUND = "25%";

/**
 * One step of a Deployment: never more than replicas + maxSurge live pods, never fewer than
 * replicas - maxUnavailable ready ones because of the roll-out.
 */
export function planDeployment(
  spec: Pick<Controller["spec"], "replicas" | "strategy">,
  hash: string,
  pods: readonly OwnedPod[],
): PodPlan {
  const live = pods.filter((pod) => !pod.terminating);
  const current = live.filter((pod) => pod.hash === hash);
  const old = live.filter((pod) => pod.hash !== hash);
  const { surge, unavailable } = bounds(spec.replicas, spec.strategy);
  if (spec.strategy?.type === "Recreate") return recreate(spec.replicas, current, old);
  const room = spec.replicas + surge - live.length;
  const create = Math.max(0, Math.min(spec.replicas - current.length, room));
  const surplus = victims(current).slice(0, Math.max(0, current.length - spec.replicas));
  return {
    create,
    remove: [...surplus, ...oldVictims(live, old, spec.replicas - unavailable)].map(nameOf),
  };
}

/** All old pods go first. */
function recreate(
  replicas: number,
  current: readonly OwnedPod[],
  old: readonly OwnedPod[],
): PodPlan {
  if (old.length > 0) return { create: 0, remove: old.map(nameOf) };
  const surplus = victims(current).slice(0, Math.max(0, current.length - replicas));
  return { create: Math.max(0, replicas - current.length), remove: surplus.map(nameOf) };
}

/** Old pods that aren't ready serve nobody; of the ready ones as many as the others can stand in for. */
function oldVictims(
  live: readonly OwnedPod[],
  old: readonly OwnedPod[],
  minimumReady: number,
): readonly OwnedPod[] {
  const ready = live.filter((pod) => pod.ready).length;
  const spare = Math.max(0, ready - Math.max(0, minimumReady));
  const unready = old.filter((pod) => !pod.ready);
  return [...unready, ...victims(old.filter((pod) => pod.ready)).slice(0, spare)];
}

/** Kubernetes' order of sacrifice: not ready first, then the youngest. */
function victims(pods: readonly OwnedPod[]): readonly OwnedPod[] {
  return [...pods].sort(
    (a, b) =>
      Number(a.ready) - Number(b.ready) || b.createdMs - a.createdMs || (a.name < b.name ? 1 : -1),
  );
}

/** The bounds as numbers: surge rounds up, unavailable down; both zero would stand still. */
function bounds(
  replicas: number,
  strategy: RolloutStrategy | undefined,
): { surge: number; unavailable: number } {
  const rolling = strategy?.rollingUpdate;
  const surge = absolute(rolling?.maxSurge ?? DEFAULT_BOUND, replicas, Math.ceil);
  const unavailable = absolute(rolling?.maxUnavailable ?? DEFAULT_BOUND, replicas, Math.floor);
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable };
}

function absolute(bound: number | string, of: number, round: (n: number) => number): number {
  if (typeof bound === "number") return bound;
  const percent = /^(\d{1,3})%$/.exec(bound)?.[1];
  return percent === undefined ? 0 : round((of * Number(percent)) / 100);
}

function nameOf(pod: OwnedPod): string {
  return pod.name;
}
