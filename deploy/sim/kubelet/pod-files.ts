/** The two files that every pod sees instead of the machine's own. Pure. */

import { DNS_SERVICE_INDEX, type DualAddress, serviceAddress } from "../net/plan.ts";

/** The domain of the simulated cluster. */
export const CLUSTER_DOMAIN = "cluster.local";

/** resolv.conf as a kubelet writes it for dnsPolicy ClusterFirst. */
export function resolvConf(namespace: string): string {
  const search = [`${namespace}.svc`, "svc", ""].map((part) =>
    part === "" ? CLUSTER_DOMAIN : `${part}.${CLUSTER_DOMAIN}`,
  );
  return `search ${search.join(" ")}\nnameserver ${serviceAddress(DNS_SERVICE_INDEX).ipv4}\noptions ndots:5\n`;
}

/** hosts as a kubelet writes it. */
export function hostsFile(pod: string, address: DualAddress): string {
  return [
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    `${address.ipv4}\t${pod}`,
    `${address.ipv6}\t${pod}`,
    "",
  ].join("\n");
}
