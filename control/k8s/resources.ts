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
}

function core(name: string, kind: string): Resource {
  return { name, path: `/api/v1/${name}`, apiVersion: "v1", kind, optional: false };
}

/** Everything that control reads. */
export const RESOURCES: readonly Resource[] = [
  core("namespaces", "Namespace"),
  core("nodes", "Node"),
  core("serviceaccounts", "ServiceAccount"),
  core("services", "Service"),
  core("pods", "Pod"),
  {
    name: "endpointslices",
    path: "/apis/discovery.k8s.io/v1/endpointslices",
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    optional: false,
  },
  {
    name: "servicemeshes",
    path: "/apis/linkerd.io/v1alpha2/servicemeshes",
    apiVersion: "linkerd.io/v1alpha2",
    kind: "ServiceMesh",
    optional: true,
  },
];
