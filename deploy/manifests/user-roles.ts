/**
 * What users of the cluster may do with ServiceMeshes: added to Kubernetes' own roles view, edit and admin, so that
 * whoever has one of these in a namespace needs no role of the mesh. Bound to nobody here.
 */

import { labelsOf, type Manifest } from "./meta.ts";
import type { InstallOptions } from "./options.ts";

/** For whoever may look at a namespace. */
export const VIEW_ROLE = "nodemesh-view";
/** For whoever may change what runs in a namespace. */
export const EDIT_ROLE = "nodemesh-edit";

/** The ClusterRoles that are aggregated. The status is control's to write: nobody else needs it. */
export function userRoles({ image }: Pick<InstallOptions, "image">): readonly Manifest[] {
  return [
    role(VIEW_ROLE, image.tag, {
      into: ["view", "edit", "admin"],
      verbs: ["get", "list", "watch"],
    }),
    role(EDIT_ROLE, image.tag, {
      into: ["edit", "admin"],
      verbs: ["create", "update", "patch", "delete", "deletecollection"],
    }),
  ];
}

interface Parts {
  /** Kubernetes' roles that get the verbs; each is named, as a cluster may have changed which one holds which. */
  readonly into: readonly ("view" | "edit" | "admin")[];
  readonly verbs: readonly string[];
}

function role(name: string, version: string, { into, verbs }: Parts): Manifest {
  const labels = into.map((one) => [`rbac.authorization.k8s.io/aggregate-to-${one}`, "true"]);
  return {
    apiVersion: "rbac.authorization.k8s.io/v1",
    kind: "ClusterRole",
    metadata: { name, labels: { ...labelsOf("control", version), ...Object.fromEntries(labels) } },
    rules: [{ apiGroups: ["linkerd.io"], resources: ["servicemeshes"], verbs }],
  };
}
