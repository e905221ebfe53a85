/** Where pods may run, in Kubernetes' own words (core/v1: Toleration, Affinity), checked before the API server sees them. */

import { z } from "zod";

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"] as const;
const texts = z.array(z.string());

const requirement = z.strictObject({
  key: z.string().min(1),
  operator: z.enum(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]),
  values: texts.optional(),
});
const nodeTerm = z.strictObject({
  matchExpressions: z.array(requirement).optional(),
  matchFields: z.array(requirement).optional(),
});
const labelSelector = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z.array(requirement).optional(),
});
const podTerm = z.strictObject({
  topologyKey: z.string().min(1),
  labelSelector: labelSelector.optional(),
  namespaces: texts.optional(),
  namespaceSelector: labelSelector.optional(),
  matchLabelKeys: texts.optional(),
  mismatchLabelKeys: texts.optional(),
});
const weight = z.int().min(1).max(100);
const podRules = z.strictObject({
  requiredDuringSchedulingIgnoredDuringExecution: z.array(podTerm).optional(),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(z.strictObject({ weight, podAffinityTerm: podTerm }))
    .optional(),
});
const nodeRules = z.strictObject({
  requiredDuringSchedulingIgnoredDuringExecution: z
    .strictObject({ nodeSelectorTerms: z.array(nodeTerm).min(1) })
    .optional(),
  preferredDuringSchedulingIgnoredDuringExecution: z
    .array(z.strictObject({ weight, preference: nodeTerm }))
    .optional(),
});

/** Something of Kubernetes' that is checked here and then carried as it is. */
export type Carried = Readonly<Record<string, unknown>>;

/** A pod's `affinity`. */
export const affinity: z.ZodType<Carried> = z.strictObject({
  nodeAffinity: nodeRules.optional(),
  podAffinity: podRules.optional(),
  podAntiAffinity: podRules.optional(),
});

/** A pod's `tolerations`. */
export const tolerations: z.ZodType<readonly Carried[]> = z.array(
  z.strictObject({
    key: z.string().optional(),
    operator: z.enum(["Exists", "Equal"]).optional(),
    value: z.string().optional(),
    effect: z.enum(EFFECTS).optional(),
    tolerationSeconds: z.int().optional(),
  }),
);

/** A pod's `imagePullSecrets`. */
export const pullSecrets: z.ZodType<readonly Carried[]> = z.array(
  z.strictObject({
    name: z
      .string()
      .max(253)
      .regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "must be the name of a Secret"),
  }),
);
