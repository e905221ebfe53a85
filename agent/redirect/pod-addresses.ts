/** The addresses of a pod, by what its network namespace has. */

import { listAddresses } from "../kernel/addresses.ts";
import { openNetlink } from "../kernel/netlink.ts";

/**
 * The addresses `known` to the API, after checking that the namespace has them; without any, the namespace's own:
 * the first of each family that others can reach. Throws when there is none, or one is missing.
 */
export function podAddressesIn(netns: number, known: readonly string[]): readonly string[] {
  using netlink = openNetlink(netns);
  const present = listAddresses(netlink).map(({ address }) => address.replace(/\/\d+$/, ""));
  const missing = known.find((address) => !present.includes(address));
  if (missing !== undefined)
    throw new Error(
      `the pod's network namespace does not have its address ${missing} (it has ${present.join(", ") || "none"})`,
    );
  if (known.length > 0) return known;
  const own = firstOfEachFamily(present.filter(isReachable));
  if (own.length === 0) throw new Error("the pod's network namespace has no address yet");
  return own;
}

/** Neither loopback nor link-local. */
function isReachable(address: string): boolean {
  return !/^(?:127\.|169\.254\.|::1$|fe[89ab][0-9a-f]:)/.test(address);
}

function firstOfEachFamily(addresses: readonly string[]): string[] {
  const families = Map.groupBy(addresses, (address) => address.includes(":"));
  return [...families.values()].flatMap((family) => family.slice(0, 1));
}
