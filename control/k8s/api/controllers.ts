/** Objects that make pods. The compiler ignores them; the simulator plays their controllers. */

import { z } from "zod";
import { type PodSpec, podSpec } from "./pod.ts";
import { count, type Meta, maybe, namespacedMeta, templateMeta, texts, unless } from "./schema.ts";

/** What a controller stamps its pods from. */
export interface PodTemplate {
  readonly metadata: Pick<Meta, "labels" | "annotations">;
  readonly spec: PodSpec;
}

/** Which pods belong to a controller. */
export interface LabelSelector {
  readonly matchLabels: Readonly<Record<string, string>>;
}

/** Deployment, StatefulSet, ReplicaSet or DaemonSet (whose `replicas` means nothing). */
export interface Controller {
  readonly kind: "Deployment" | "StatefulSet" | "ReplicaSet" | "DaemonSet";
  readonly metadata: Meta;
  readonly spec: {
    readonly replicas: number;
    readonly selector: LabelSelector;
    readonly template: PodTemplate;
    /** Deployments only: how a roll-out goes. Absolute numbers or percentages such as `25%`. */
    readonly strategy?: RolloutStrategy | undefined;
    /** StatefulSets only: the headless Service that names the pods. */
    readonly serviceName: string;
  };
}

/** A Deployment's roll-out. */
export interface RolloutStrategy {
  readonly type: string;
  readonly rollingUpdate?:
    | {
        readonly maxSurge?: number | string | undefined;
        readonly maxUnavailable?: number | string | undefined;
      }
    | undefined;
}

/** A Job. */
export interface Job {
  readonly kind: "Job";
  readonly metadata: Meta;
  readonly spec: {
    readonly completions: number;
    readonly parallelism: number;
    readonly backoffLimit: number;
    readonly template: PodTemplate;
  };
}

const template: z.ZodType<PodTemplate> = z.object({ metadata: templateMeta, spec: podSpec });

const strategy: z.ZodType<RolloutStrategy> = z.object({
  type: unless(z.string(), "RollingUpdate"),
  rollingUpdate: maybe(
    z.object({
      maxSurge: maybe(z.union([count, z.string()])),
      maxUnavailable: maybe(z.union([count, z.string()])),
    }),
  ),
});

/** A whole Deployment, StatefulSet, ReplicaSet or DaemonSet. */
export const controller: z.ZodType<Controller> = z.object({
  kind: z.enum(["Deployment", "StatefulSet", "ReplicaSet", "DaemonSet"]),
  metadata: namespacedMeta,
  spec: z.object({
    replicas: unless(count, 1),
    selector: z.object({ matchLabels: texts }),
    template,
    strategy: maybe(strategy),
    serviceName: unless(z.string(), ""),
  }),
});

/** A whole Job. */
export const job: z.ZodType<Job> = z.object({
  kind: z.literal("Job"),
  metadata: namespacedMeta,
  spec: z.object({
    completions: unless(count, 1),
    parallelism: unless(count, 1),
    backoffLimit: unless(count, 6),
    template,
  }),
});
