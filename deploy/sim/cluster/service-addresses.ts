/** ClusterIPs: every Service that is not headless gets one of each family. */

import { canonicalAddress } from "#model/address.ts";
import {
  DNS_SERVICE_INDEX,
  type DualAddress,
  FIRST_SERVICE_INDEX,
  serviceAddress,
} from "../net/plan.ts";
import type { RawObject } from "./raw.ts";

/** 10.96.0.0/16 without the last /24, which stays free. */
const LAST_SERVICE_INDEX = 65_279;

/** Whether a Service still needs its addresses. ExternalName and headless Services never get any. */
export function needsAddress(raw: RawObject): boolean {
  const { type, clusterIP, clusterIPs } = (raw.spec ?? {}) as ServiceSpecShape;
  if (type === "ExternalName" || clusterIP === "None") return false;
  return !Array.isArray(clusterIPs) || clusterIPs.length < 2;
}

/** The Service with its addresses: its own wish for IPv4 when free, else the next free pair. Throws when none is left. */
export function withAddress(raw: RawObject, taken: ReadonlySet<string>): RawObject {
  const wish = ((raw.spec ?? {}) as ServiceSpecShape).clusterIP;
  const { ipv4, ipv6 } = pick(raw, taken, wish);
  const spec = {
    ...raw.spec,
    clusterIP: ipv4,
    clusterIPs: [ipv4, ipv6],
    ipFamilies: ["IPv4", "IPv6"],
    ipFamilyPolicy: "PreferDualStack",
  };
  return { ...raw, spec };
}

interface ServiceSpecShape {
  readonly type?: unknown;
  readonly clusterIP?: string;
  readonly clusterIPs?: unknown;
}

function pick(raw: RawObject, taken: ReadonlySet<string>, wish: string | undefined): DualAddress {
  if (raw.metadata.name === "kube-dns" && raw.metadata.namespace === "kube-system")
    return serviceAddress(DNS_SERVICE_INDEX);
  const wanted = wish === undefined || wish === "" ? undefined : canonicalAddress(wish);
  for (let index = FIRST_SERVICE_INDEX; index <= LAST_SERVICE_INDEX; index++) {
    const pair = serviceAddress(index);
    if (taken.has(pair.ipv4)) continue;
    if (wanted === undefined || wanted === pair.ipv4) return pair;
  }
  throw new Error(
    `service/${raw.metadata.name}: clusterIP ${wish ?? ""} is taken or outside 10.96.1.0 to 10.96.254.255; leave it out`,
  );
}
