/** The kinds of objects that `nodemesh install` makes. */

/** One kind, as the API server's authorizer names it. */
export interface InstalledKind {
  readonly group: string;
  readonly resource: string;
  readonly namespaced: boolean;
}

function kind(group: string, resource: string, namespaced: boolean): InstalledKind {
  return { group, resource, namespaced };
}

const RBAC = "rbac.authorization.k8s.io";

/** All of them, in the order in which they are made. */
export const INSTALLED_KINDS: readonly InstalledKind[] = [
  kind("", "namespaces", false),
  kind("apiextensions.k8s.io", "customresourcedefinitions", false),
  kind("", "resourcequotas", true),
  kind("", "serviceaccounts", true),
  kind(RBAC, "clusterroles", false),
  kind(RBAC, "clusterrolebindings", false),
  kind(RBAC, "roles", true),
  kind(RBAC, "rolebindings", true),
  kind("", "services", true),
  kind("apps", "deployments", true),
  kind("apps", "daemonsets", true),
  kind("policy", "poddisruptionbudgets", true),
];
