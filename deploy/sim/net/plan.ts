/**
 * The simulated network's addresses. Every simulation uses the same ones: its namespaces are its own, so
 * nothing can meet. Pure.
 */

/** Both addresses of something. */
export interface DualAddress {
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The networks that one node needs. Node numbers start at 1. */
export interface NodePlan {
  readonly name: string;
  readonly number: number;
  /** On the link between the nodes. */
  readonly address: DualAddress;
  /** The pods' default router: the node's end of its bridge. */
  readonly gateway: DualAddress;
  /** Networks of the node's pods. */
  readonly podCidr: DualAddress;
}

/** The most nodes: the number is an octet of the pods' addresses. */
export const MAX_NODES = 200;
/** The most pods of one node at the same time. */
export const MAX_PODS = 250;

/** The plan of node `number` (1 to MAX_NODES). */
export function nodePlan(number: number): NodePlan {
  return {
    name: `node-${number}`,
    number,
    address: { ipv4: `172.30.0.${number}`, ipv6: `fd30::${number.toString(16)}` },
    gateway: podAddress(number, 1),
    podCidr: { ipv4: `10.244.${number}.0/24`, ipv6: `${podNetwork(number)}/64` },
  };
}

/** The addresses of pod `index` (2 to MAX_PODS + 1; 1 is the gateway) of a node. */
export function podAddress(node: number, index: number): DualAddress {
  return { ipv4: `10.244.${node}.${index}`, ipv6: `${podNetwork(node)}${index.toString(16)}` };
}

/** The Ethernet address of who has this address: a locally administered prefix, then the four bytes of IPv4. */
export function hardwareAddress({ ipv4 }: DualAddress): Uint8Array {
  return Uint8Array.of(0x0a, 0x58, ...ipv4.split(".").map(Number));
}

/** The ClusterIPs of service `index` (1 to 65279); cluster DNS has SERVICE_DNS. */
export function serviceAddress(index: number): DualAddress {
  return {
    ipv4: `10.96.${index >> 8}.${index & 0xff}`,
    ipv6: `fd00:10:96::${index.toString(16)}`,
  };
}

/** The number of kube-dns: 10.96.0.10, as most clusters have it. */
export const DNS_SERVICE_INDEX = 10;
/** The first number given to a user's service. */
export const FIRST_SERVICE_INDEX = 257;

function podNetwork(node: number): string {
  return `fd00:10:244:${node.toString(16)}::`;
}
