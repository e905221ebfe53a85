/** All controllers together: from the objects there are to what must be made or ended now. Pure. */

import { createHash } from "node:crypto";
import type { Controller, Job } from "../../../control/k8s/api/controllers.ts";
import type { Pod } from "../../../control/k8s/api/pod.ts";
import { type OwnedPod, planDeployment } from "./deployment.ts";
import { isReady } from "./endpoints.ts";
import { planJob } from "./job.ts";
import type { Stored } from "./raw.ts";
import { planDaemonSet, planStatefulSet } from "./stateful-set.ts";

/** What is to be done about pods. */
export type PodAction =
  | {
      readonly kind: "create";
      readonly owner: Stored;
      readonly hash: string;
      /** Absent: the controller's name, the hash and a random end. */
      readonly name?: string;
      /** Absent: the scheduler chooses. */
      readonly node?: string;
    }
  | { readonly kind: "delete"; readonly pod: Pod };

/** What the controllers look at. */
export interface Observed {
  /** Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs. */
  readonly controllers: readonly Stored[];
  readonly pods: readonly Pod[];
  readonly nodes: readonly string[];
}

/** Label that tells the template a pod was made from; StatefulSets and DaemonSets have a name of their own for it. */
export const HASH_LABELS = {
  Deployment: "pod-template-hash",
  ReplicaSet: "pod-template-hash",
  StatefulSet: "controller-revision-hash",
  DaemonSet: "controller-revision-hash",
  Job: "controller-revision-hash",
} as const;

/** The next step of every controller; pods whose controller is gone are ended. */
export function decidePods(observed: Observed): readonly PodAction[] {
  const claimed = new Set<Pod>();
  const actions = observed.controllers.flatMap((owner) => {
    const { object } = owner;
    if (!isController(object)) return [];
    const pods = observed.pods.filter((pod) => owns(object, pod));
    for (const pod of pods) claimed.add(pod);
    return decideOne(owner, object, { pods, nodes: observed.nodes });
  });
  const orphans = observed.pods.filter(
    (pod) => !claimed.has(pod) && controllerOf(pod) !== undefined && !isTerminating(pod),
  );
  return [...actions, ...orphans.map((pod) => ({ kind: "delete", pod }) as const)];
}

/** Ten letters and digits that stand for a template; without vowels, as Kubernetes avoids words. */
export function templateHash(template: unknown): string {
  const digest = createHash("sha256").update(JSON.stringify(template)).digest();
  return [...digest.subarray(0, 10)].map((byte) => ALPHABET[byte % ALPHABET.length]).join("");
}

/** Letters of generated names. */
export const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";

/** The node of a pod that has none yet: the one with the fewest pods of the same labels, then of all. */
export function chooseNode(
  pod: Pod,
  observed: Pick<Observed, "pods" | "nodes">,
): string | undefined {
  const wanted = pod.spec.nodeSelector["kubernetes.io/hostname"];
  const candidates = observed.nodes.filter((node) => wanted === undefined || node === wanted);
  const owner = controllerOf(pod);
  const load = (node: string): number => {
    const there = observed.pods.filter((one) => one.spec.nodeName === node && !isTerminating(one));
    const siblings = there.filter((one) => owner !== undefined && controllerOf(one) === owner);
    return siblings.length * 1_000 + there.length;
  };
  return candidates.toSorted((a, b) => load(a) - load(b))[0];
}

/** Whether a pod is being ended. */
export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

function decideOne(
  owner: Stored,
  controller: Controller | Job,
  observed: Pick<Observed, "pods" | "nodes">,
): readonly PodAction[] {
  const hash = templateHash(owner.raw.spec?.["template"]);
  const owned = observed.pods.map((pod) => ({ ...ownedPod(pod), node: pod.spec.nodeName }));
  const { name } = controller.metadata;
  switch (controller.kind) {
    case "Deployment":
    case "ReplicaSet": {
      const plan = planDeployment(controller.spec, hash, owned);
      const create = Array.from(
        { length: plan.create },
        () => ({ kind: "create", owner, hash }) as const,
      );
      return [...create, ...deletions(observed.pods, plan.remove)];
    }
    case "StatefulSet": {
      const plan = planStatefulSet({ name, replicas: controller.spec.replicas, hash }, owned);
      const create = plan.create.map(
        (pod) => ({ kind: "create", owner, hash, name: pod }) as const,
      );
      return [...create, ...deletions(observed.pods, plan.remove)];
    }
    case "Job": {
      const plan = planJob(controller.spec, observed.pods);
      const create = Array.from(
        { length: plan.create },
        () => ({ kind: "create", owner, hash }) as const,
      );
      return [...create, ...deletions(observed.pods, plan.remove)];
    }
    case "DaemonSet": {
      const plan = planDaemonSet(observed.nodes, hash, owned);
      const create = plan.create.map((node) => ({ kind: "create", owner, hash, node }) as const);
      return [...create, ...deletions(observed.pods, plan.remove)];
    }
  }
}

function deletions(pods: readonly Pod[], names: readonly string[]): readonly PodAction[] {
  return pods
    .filter((pod) => names.includes(pod.metadata.name) && !isTerminating(pod))
    .map((pod) => ({ kind: "delete", pod }));
}

function ownedPod(pod: Pod): OwnedPod {
  const { labels, name, creationTimestamp } = pod.metadata;
  return {
    name,
    hash: labels["pod-template-hash"] ?? labels["controller-revision-hash"] ?? "",
    ready: isReady(pod),
    terminating: isTerminating(pod),
    createdMs: Date.parse(creationTimestamp ?? "") || 0,
  };
}

function owns(controller: Controller | Job, pod: Pod): boolean {
  if (controller.metadata.namespace !== pod.metadata.namespace) return false;
  return controllerOf(pod) === `${ownerKind(controller.kind)}/${ownerName(controller, pod)}`;
}

/** A Deployment owns by way of a ReplicaSet named after the template's hash. */
function ownerName(controller: Controller | Job, pod: Pod): string {
  const { name } = controller.metadata;
  if (controller.kind !== "Deployment") return name;
  return `${name}-${pod.metadata.labels["pod-template-hash"] ?? ""}`;
}

function ownerKind(kind: (Controller | Job)["kind"]): string {
  return kind === "Deployment" ? "ReplicaSet" : kind;
}

function controllerOf(pod: Pod): string | undefined {
  const owner = pod.metadata.ownerReferences.find((one) => one.controller);
  return owner === undefined ? undefined : `${owner.kind}/${owner.name}`;
}

function isController(object: Stored["object"]): object is Controller | Job {
  return object.kind in HASH_LABELS;
}
