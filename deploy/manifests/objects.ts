/** Everything that an installation consists of, in the order in which it is applied. */

import { agentObjects } from "./agent.ts";
import { controlObjects } from "./control.ts";
import { serviceMeshDefinition } from "./crd.ts";
import { dashboardObjects } from "./dashboards.ts";
import { AGENT, CA_SECRET, CONTROL, labelsOf, type Manifest, ROOT_CONFIG } from "./meta.ts";
import { podMonitors, prometheusRule } from "./monitoring.ts";
import type { InstallOptions } from "./options.ts";
import { roles } from "./roles.ts";
import { EDIT_ROLE, userRoles, VIEW_ROLE } from "./user-roles.ts";

/** Annotation of the namespace: the words of --set, as a JSON list, so that an upgrade keeps them. */
export const CHOSEN = "nodemesh/options";

/** What `nodemesh install` prints. `chosen`: the words of --set that led to the options. */
export function installObjects(
  options: InstallOptions,
  chosen: readonly string[] = [],
): readonly Manifest[] {
  const { namespace, image } = options;
  const objects = [
    namespaceObject(options, chosen),
    serviceMeshDefinition(image.tag),
    criticalPodsQuota(options),
    serviceAccount(CONTROL, "control", options),
    serviceAccount(AGENT, "agent", options),
    ...roles({ ...options, namespace }),
    ...userRoles(options),
    ...controlObjects(options),
    ...agentObjects(options),
    ...(options.grafana.dashboards ? dashboardObjects(options) : []),
    ...(options.prometheus.podMonitors ? podMonitors(options) : []),
    ...(options.prometheus.rules ? [prometheusRule(options)] : []),
  ];
  return objects.map((object) => withCommon(object, options));
}

/** With what every object is to have; what is its own stays. */
function withCommon(object: Manifest, { labels, annotations }: InstallOptions): Manifest {
  const { metadata } = object;
  const noted = { ...annotations, ...metadata.annotations };
  return {
    ...object,
    metadata: {
      ...metadata,
      labels: { ...labels, ...metadata.labels },
      ...(Object.keys(noted).length > 0 && { annotations: noted }),
    },
  };
}

/** What becomes of the mesh's namespace when the mesh goes. Who made it may have put other things into it. */
export type NamespaceFate = "deleted" | "kept";

/**
 * What `nodemesh uninstall` prints: agents first, so that they end while control still answers, and last the
 * namespace with what control made in it, or these things alone. The agents' account goes before their DaemonSet: by
 * that control knows at once that no agent will come again (control/uninstallation.ts).
 */
export function uninstallObjects(
  options: InstallOptions,
  namespace: NamespaceFate = "deleted",
): readonly Manifest[] {
  // What was asked for only the cluster knows; with the namespace it goes anyway.
  const asked = namespace === "kept";
  const all = {
    ...options,
    grafana: { dashboards: asked },
    prometheus: { ...options.prometheus, podMonitors: asked, rules: asked },
  };
  const installed = installObjects(all).toSorted((a, b) => rankOf(a) - rankOf(b));
  if (namespace === "deleted") return installed;
  return [...installed.filter(({ kind }) => kind !== "Namespace"), ...madeByControl(options)];
}

/** What goes together with the objects that `nodemesh uninstall` prints, one line each, for people. */
export function alsoRemoved({ namespace }: InstallOptions, fate: NamespaceFate): readonly string[] {
  const definition =
    "customresourcedefinition/servicemeshes.linkerd.io goes with every ServiceMesh of the cluster";
  const roles = `clusterrole and clusterrolebinding/${CONTROL}, clusterrole/${VIEW_ROLE} and ${EDIT_ROLE} go: a mesh in another namespace needs nodemesh upgrade -n NAMESPACE | kubectl apply -f - then`;
  return [
    definition,
    roles,
    fate === "deleted"
      ? `namespace/${namespace} goes with everything in it, also what is not of nodemesh; --keep-namespace keeps it`
      : `namespace/${namespace} stays, with its labels and annotations; Secret, ConfigMap and Lease of control go`,
  ];
}

function rankOf({ kind, metadata }: Manifest): number {
  if (kind === "ServiceAccount" && metadata.name === AGENT) return 0;
  const ranks: Readonly<Record<string, number>> = {
    DaemonSet: 1,
    ResourceQuota: 3,
    CustomResourceDefinition: 4,
    Namespace: 5,
  };
  return ranks[kind] ?? 2;
}

/** Made by control itself in its namespace. Deleted after its role, so that it can't make them again. */
function madeByControl({ namespace, image }: InstallOptions): readonly Manifest[] {
  const labels = labelsOf("control", image.tag);
  const named = (name: string): Manifest["metadata"] => ({ name, namespace, labels });
  return [
    { apiVersion: "v1", kind: "Secret", metadata: named(CA_SECRET) },
    { apiVersion: "v1", kind: "ConfigMap", metadata: named(ROOT_CONFIG) },
    { apiVersion: "coordination.k8s.io/v1", kind: "Lease", metadata: named(CONTROL) },
  ];
}

function namespaceObject(
  { namespace, image }: InstallOptions,
  chosen: readonly string[],
): Manifest {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: {
      name: namespace,
      labels: {
        ...labelsOf("namespace", image.tag),
        // The agents use their node's network and folders.
        "pod-security.kubernetes.io/enforce": "privileged",
        "pod-security.kubernetes.io/audit": "privileged",
        "pod-security.kubernetes.io/warn": "privileged",
      },
      annotations: { [CHOSEN]: JSON.stringify(chosen) },
    },
  };
}

/**
 * Where the API server limits critical pods to kube-system (GKE does; admission plugin ResourceQuota), another
 * namespace may have them when a quota there covers them.
 */
function criticalPodsQuota({ namespace, image }: InstallOptions): Manifest {
  return {
    apiVersion: "v1",
    kind: "ResourceQuota",
    metadata: {
      name: "nodemesh-critical-pods",
      namespace,
      labels: labelsOf("namespace", image.tag),
    },
    spec: {
      // More than any cluster has nodes: it is there to allow, not to limit.
      hard: { pods: "100k" },
      scopeSelector: {
        matchExpressions: [
          {
            scopeName: "PriorityClass",
            operator: "In",
            values: ["system-node-critical", "system-cluster-critical"],
          },
        ],
      },
    },
  };
}

function serviceAccount(
  name: string,
  component: string,
  { namespace, image }: InstallOptions,
): Manifest {
  const labels = labelsOf(component, image.tag);
  return { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace, labels } };
}
