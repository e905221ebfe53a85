/** The addresses of a pod, by what its network namespace has. */

import type { AssignedAddress } from "../kernel/addresses.ts";
import { listAddresses } from "../kernel/addresses.ts";
import { openNetlink } from "../kernel/netlink.ts";

/** A pod's addresses, by what the API and its namespace say. */
export interface PodAddresses {
  /** Those that the namespace has: at least one. */
  readonly addresses: readonly string[];
  /** Those that only the API has: IPv6 is off in the pod, for example. */
  readonly missing: readonly string[];
}

/** Reads them in the namespace. Throws as podAddresses(), and NetlinkError. */
export function podAddressesIn(netns: number, known: readonly string[]): PodAddresses {
  using netlink = openNetlink(netns);
  return podAddresses(listAddresses(netlink), known);
}

/**
 * The addresses `known` to the API, those among them which the namespace has first; without any, the namespace's own:
 * the first of each family that others can reach. Throws when it has none of them: then it is not the pod's.
 */
export function podAddresses(
  assigned: readonly AssignedAddress[],
  known: readonly string[],
): PodAddresses {
  const present = assigned.map(({ address }) => address.replace(/\/\d+$/, ""));
  if (known.length === 0) {
    const own = firstOfEachFamily(present.filter(isReachable));
    if (own.length === 0) throw new Error("the pod's network namespace has no address yet");
    return { addresses: own, missing: [] };
  }
  const addresses = known.filter((address) => present.includes(address));
  const missing = known.filter((address) => !present.includes(address));
  if (addresses.length > 0) return { addresses, missing };
  throw new Error(
    `the pod's network namespace does not have its address ${missing[0]} (it has ${present.join(", ") || "none"})`,
  );
}

/** Neither loopback nor link-local. */
function isReachable(address: string): boolean {
  return !/^(?:127\.|169\.254\.|::1$|fe[89ab][0-9a-f]:)/.test(address);
}

function firstOfEachFamily(addresses: readonly string[]): string[] {
  const families = Map.groupBy(addresses, (address) => address.includes(":"));
  return [...families.values()].flatMap((family) => family.slice(0, 1));
}
