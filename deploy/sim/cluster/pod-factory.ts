/** Pods stamped from a controller's template. Pure but for the random end of a name, which the caller gives. */

import type { PodAction } from "./decide.ts";
import { HASH_LABELS } from "./decide.ts";
import type { RawMeta, RawObject } from "./raw.ts";

/** Which Job a pod belongs to. */
export const JOB_LABEL = "batch.kubernetes.io/job-name";

/** What the caller knows that the template does not. */
export interface Birth {
  readonly uid: string;
  /** Five letters. */
  readonly suffix: string;
  /** RFC 3339. */
  readonly now: string;
}

/** The new pod's object. */
export function stampPod(action: Extract<PodAction, { kind: "create" }>, birth: Birth): RawObject {
  const { raw, object } = action.owner;
  const kind = object.kind as keyof typeof HASH_LABELS;
  const template = (raw.spec?.["template"] ?? {}) as TemplateShape;
  const owner = kind === "Deployment" ? `${raw.metadata.name}-${action.hash}` : raw.metadata.name;
  const name = action.name ?? `${owner}-${birth.suffix}`;
  const spec = {
    ...template.spec,
    ...(action.node === undefined ? {} : { nodeName: action.node }),
  };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: object.metadata.namespace,
      uid: birth.uid,
      labels: {
        ...template.metadata?.labels,
        [HASH_LABELS[kind]]: action.hash,
        ...(kind === "StatefulSet" ? { "statefulset.kubernetes.io/pod-name": name } : {}),
        ...(kind === "Job" ? { [JOB_LABEL]: raw.metadata.name } : {}),
      },
      annotations: { ...template.metadata?.annotations },
      creationTimestamp: birth.now,
      ownerReferences: [
        {
          apiVersion: kind === "Job" ? "batch/v1" : "apps/v1",
          kind: kind === "Deployment" ? "ReplicaSet" : kind,
          name: owner,
          controller: true,
        },
      ],
    },
    spec: kind === "StatefulSet" ? { hostname: name, subdomain: subdomain(raw), ...spec } : spec,
  };
}

interface TemplateShape {
  readonly metadata?: Pick<RawMeta, "labels" | "annotations">;
  readonly spec?: Readonly<Record<string, unknown>>;
}

function subdomain(raw: RawObject): unknown {
  return raw.spec?.["serviceName"] ?? "";
}
