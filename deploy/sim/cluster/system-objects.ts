/** The objects that every cluster has before its users come. Pure. */

import type { NodePlan } from "../net/plan.ts";
import type { RawObject } from "./raw.ts";

/** Namespaces that are always there. */
export const SYSTEM_NAMESPACES: readonly string[] = ["default", "kube-system"];

/** Namespaces, nodes, and the kube-dns Service with its endpoints on the nodes. */
export function systemObjects(nodes: readonly NodePlan[]): readonly RawObject[] {
  return [
    ...SYSTEM_NAMESPACES.map((name) => namespaceObject(name)),
    ...nodes.map(nodeObject),
    dnsService(),
    ...(["ipv4", "ipv6"] as const).map((family) => dnsSlice(family, nodes)),
  ];
}

function namespaceObject(name: string): RawObject {
  return {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name, labels: { "kubernetes.io/metadata.name": name } },
  };
}

function nodeObject(node: NodePlan): RawObject {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels: { "kubernetes.io/hostname": node.name } },
    spec: { podCIDRs: [node.podCidr.ipv4, node.podCidr.ipv6] },
    status: {
      addresses: [
        { type: "InternalIP", address: node.address.ipv4 },
        { type: "InternalIP", address: node.address.ipv6 },
      ],
    },
  };
}

function dnsService(): RawObject {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "kube-dns", namespace: "kube-system" },
    spec: {
      ports: [
        { name: "dns", port: 53, protocol: "UDP" },
        { name: "dns-tcp", port: 53, protocol: "TCP", appProtocol: "tcp" },
      ],
    },
  };
}

function dnsSlice(family: "ipv4" | "ipv6", nodes: readonly NodePlan[]): RawObject {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `kube-dns-${family}`,
      namespace: "kube-system",
      labels: { "kubernetes.io/service-name": "kube-dns" },
    },
    addressType: family === "ipv4" ? "IPv4" : "IPv6",
    endpoints: nodes.map((node) => ({
      addresses: [node.address[family]],
      conditions: { ready: true, serving: true, terminating: false },
    })),
    ports: [
      { name: "dns", port: 53, protocol: "UDP" },
      { name: "dns-tcp", port: 53, protocol: "TCP", appProtocol: "tcp" },
    ],
  };
}
