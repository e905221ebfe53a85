/** Which collections of the API are the world. */

/** One collection that is listed and watched. */
export interface Resource {
  /** For logs, metrics and readiness, as kubectl writes it. */
  readonly name: string;
  /** Path of the collection over all namespaces. */
  readonly path: string;
  /** List items don't carry these themselves. */
  readonly apiVersion: string;
  readonly kind: string;
  /** A kind that may be unknown to the API server: its definition comes with the installation. */
  readonly optional: boolean;
  /** Nothing but metadata is read, so nothing else is asked for: a Node's status alone is some 10 KiB. */
  readonly metadataOnly: boolean;
  /** Only objects of this name are asked for. */
  readonly onlyName?: string;
}

function core(name: string, kind: string, metadataOnly: boolean): Resource {
  const path = `/api/v1/${name}`;
  return { name, path, apiVersion: "v1", kind, optional: false, metadataOnly };
}

/** The accept header with which to list or watch a collection. */
export function acceptOf({ metadataOnly }: Resource, act: "list" | "watch"): string {
  if (!metadataOnly) return "application/json";
  const kind = act === "list" ? "PartialObjectMetadataList" : "PartialObjectMetadata";
  return `application/json;as=${kind};g=meta.k8s.io;v=v1`;
}

/** Everything that control reads. */
export const RESOURCES: readonly Resource[] = [
  core("namespaces", "Namespace", true),
  core("nodes", "Node", true),
  core("serviceaccounts", "ServiceAccount", true),
  core("services", "Service", false),
  core("pods", "Pod", false),
  {
    name: "endpointslices",
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    optional: false,
    metadataOnly: false,
  },
  {
    name: "servicemeshes",
    path: "/apis/linkerd.io/v1alpha2/servicemeshes",
    apiVersion: "linkerd.io/v1alpha2",
    kind: "ServiceMesh",
    optional: true,
    metadataOnly: false,
  },
];

/** The mesh's own agents in a namespace: no part of the world, but whether there are any to be is worth to know. */
export function agentSet(namespace: string): Resource {
  return {
    name: "daemonsets",
    path: `/apis/apps/v1/namespaces/${namespace}/daemonsets`,
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    optional: false,
    metadataOnly: false,
    onlyName: AGENT_SET,
  };
}

/** Name of the DaemonSet of the agents, and of their service account. */
export const AGENT_SET = "nodemesh-agent";
