/** What control may do. The agents have no rights at all: they talk to control only. */

import { AGENT, CA_SECRET, CONTROL, labelsOf, type Manifest, ROOT_CONFIG } from "./meta.ts";
import type { InstallOptions } from "./options.ts";

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** In the whole cluster. */
const CLUSTER_RULES: readonly Rule[] = [
  // The world (control/k8s/resources.ts).
  rule("", ["namespaces", "nodes", "pods", "serviceaccounts", "services"], ["list", "watch"]),
  rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
  rule("linkerd.io", ["servicemeshes"], ["get", "list", "watch"]),
  // What users are told (control/report).
  rule("linkerd.io", ["servicemeshes/status"], ["update"]),
  rule("", ["events"], ["list", "create", "patch"]),
  // Whose token an agent shows (control/admission).
  rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
];

/** In its own namespace. A `create` can't be bound to a name: the name is not known yet when it is asked. */
const OWN_RULES: readonly Rule[] = [
  // Whether agents are to be (control/uninstallation.ts).
  { ...rule("apps", ["daemonsets"], ["list", "watch"]), resourceNames: [AGENT] },
  rule("", ["secrets"], ["create"]),
  { ...rule("", ["secrets"], ["get"]), resourceNames: [CA_SECRET] },
  rule("", ["configmaps"], ["create"]),
  { ...rule("", ["configmaps"], ["get", "update"]), resourceNames: [ROOT_CONFIG] },
  rule("coordination.k8s.io", ["leases"], ["create"]),
  { ...rule("coordination.k8s.io", ["leases"], ["get", "update"]), resourceNames: [CONTROL] },
];

/** Roles and their bindings. */
export function roles({ namespace, image }: InstallOptions): readonly Manifest[] {
  const labels = labelsOf("control", image.tag);
  const api = "rbac.authorization.k8s.io";
  const apiVersion = `${api}/v1`;
  const subjects = [{ kind: "ServiceAccount", name: CONTROL, namespace }];
  const wide = { name: CONTROL, labels };
  const own = { name: CONTROL, namespace, labels };
  const ref = (kind: string): unknown => ({ apiGroup: api, kind, name: CONTROL });
  return [
    { apiVersion, kind: "ClusterRole", metadata: wide, rules: CLUSTER_RULES },
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: wide,
      roleRef: ref("ClusterRole"),
      subjects,
    },
    { apiVersion, kind: "Role", metadata: own, rules: OWN_RULES },
    { apiVersion, kind: "RoleBinding", metadata: own, roleRef: ref("Role"), subjects },
  ];
}

function rule(group: string, resources: readonly string[], verbs: readonly string[]): Rule {
  return { apiGroups: [group], resources, verbs };
}
