/** Everything that an installation consists of, in the order in which it is applied. */

import { agentObjects } from "./agent.ts";
import { controlObjects } from "./control.ts";
import { serviceMeshDefinition } from "./crd.ts";
import { AGENT, CONTROL, labelsOf, type Manifest } from "./meta.ts";
import type { InstallOptions } from "./options.ts";
import { roles } from "./roles.ts";

/** Annotation of the namespace: the words of --set, as a JSON list, so that an upgrade keeps them. */
export const CHOSEN = "nodemesh/options";

/** What `nodemesh install` prints. `chosen`: the words of --set that led to the options. */
export function installObjects(
  options: InstallOptions,
  chosen: readonly string[] = [],
): readonly Manifest[] {
  const { namespace, image } = options;
  return [
    namespaceObject(options, chosen),
    serviceMeshDefinition(image.tag),
    criticalPodsQuota(options),
    serviceAccount(CONTROL, "control", options),
    serviceAccount(AGENT, "agent", options),
    ...roles({ ...options, namespace }),
    ...controlObjects(options),
    ...agentObjects(options),
  ];
}

/**
 * What `nodemesh uninstall` prints: agents first, so that they end while control still answers, and the
 * namespace last, with what control made in it.
 */
export function uninstallObjects(options: InstallOptions): readonly Manifest[] {
  const last: Readonly<Record<string, number>> = {
    DaemonSet: 0,
    ResourceQuota: 2,
    CustomResourceDefinition: 3,
    Namespace: 4,
  };
  const rank = ({ kind }: Manifest): number => last[kind] ?? 1;
  return installObjects(options).toSorted((a, b) => rank(a) - rank(b));
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
