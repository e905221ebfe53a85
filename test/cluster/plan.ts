/** The addresses of a cluster: pure values. Clusters have the same ones, each in its own network namespaces. */

/** An address of each family; the second counts in dual-stack clusters only. */
export interface Addresses {
  readonly v4: string;
  readonly v6: string;
}

/** Where the control plane listens on the nodes' network, also the nodes' gateway. */
export const CONTROL: Addresses = { v4: "10.200.0.1", v6: "fd00:200::1" };
/** The nodes' network, as address lengths. */
export const NODE_NET: Addresses = { v4: "24", v6: "64" };
/** All pods. */
export const POD_NET: Addresses = { v4: "10.244.0.0/16", v6: "fd00:244::/48" };
/** All Services. */
export const SERVICE_NET: Addresses = { v4: "10.96.0.0/16", v6: "fd00:96::/112" };
/** The API server's Service. */
export const API_SERVICE: Addresses = { v4: "10.96.0.1", v6: "fd00:96::1" };
/** Cluster DNS. */
export const DNS_SERVICE: Addresses = { v4: "10.96.0.10", v6: "fd00:96::a" };
/** Port of the API server. */
export const API_PORT = 6443;

/** One node's name and addresses. */
export interface NodePlan {
  /** From 1. */
  readonly index: number;
  readonly name: string;
  readonly address: Addresses;
  readonly pods: Addresses;
  readonly podGateway: Addresses;
}

/** The node of that index (from 1). */
export function nodePlan(index: number): NodePlan {
  return {
    index,
    name: `node${index}`,
    address: { v4: `10.200.0.${10 + index}`, v6: `fd00:200::${10 + index}` },
    pods: { v4: `10.244.${index}.0/24`, v6: `fd00:244:0:${index}::/64` },
    podGateway: { v4: `10.244.${index}.1`, v6: `fd00:244:0:${index}::1` },
  };
}

/** All nodes of a cluster. */
export function nodePlans(count: number): readonly NodePlan[] {
  return Array.from({ length: count }, (_, i) => nodePlan(i + 1));
}

/** The ends of the link between the machine's main network namespace and the cluster: a /30 of its own. */
export function outsideLink(slot: number): { readonly main: string; readonly cluster: string } {
  // 169.254.0.x and 169.254.255.x are reserved (RFC 3927); 169.254.169.254 is the clouds' metadata service.
  const [third, fourth] = [1 + Math.floor(slot / 64), (slot % 64) * 4];
  return { main: `169.254.${third}.${fourth + 1}`, cluster: `169.254.${third}.${fourth + 2}` };
}

/** The values of both families in a dual-stack cluster, else the IPv4 one. */
export function families(of: Addresses, dualStack: boolean): readonly string[] {
  return dualStack ? [of.v4, of.v6] : [of.v4];
}
