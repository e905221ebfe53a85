/**
 * Which destinations a pod reaches by another interface than the one that has its addresses (a second network, a
 * bridge of its own): those are left alone. Pure: from the namespace's addresses and routes to the kernel's trie.
 */

import type { AssignedAddress } from "../kernel/addresses.ts";
import { NETWORK_MESH, NETWORK_OTHER, NETWORK_OWN, NETWORK_SHARE } from "../kernel/layout.gen.ts";
import type { FoundRoute } from "../kernel/routes.ts";
import { UNICAST } from "../kernel/routes.ts";
import { AF_INET } from "../kernel/socket-constants.ts";

/** `lo` is the first interface of every namespace. */
const LOOPBACK_INDEX = 1;

/** What a namespace has. */
export interface NamespaceNetworks {
  readonly addresses: readonly AssignedAddress[];
  /** Those of the main table, both families. */
  readonly routes: readonly FoundRoute[];
}

/** A destination in CIDR form with NETWORK_MESH, NETWORK_OTHER or NETWORK_OWN. */
export type KnownNetwork = readonly [cidr: string, network: number];

/**
 * Index of the one interface that has all these addresses; 0 when there is none, or it is loopback, which everything
 * that the mesh turns around comes by.
 */
export function meshDevice(addresses: readonly AssignedAddress[], pod: readonly string[]): number {
  const devices = new Set(
    addresses.filter(({ address }) => pod.includes(bare(address))).map(({ index }) => index),
  );
  const [only = 0] = devices;
  return devices.size === 1 && only !== LOOPBACK_INDEX ? only : 0;
}

/**
 * What must be known of the pod's networks: nothing when there is no other interface, and when there is more to know
 * than the pod's share, since the half of it could lead past the mesh.
 */
export function knownNetworks(
  { addresses, routes }: NamespaceNetworks,
  device: number,
): readonly KnownNetwork[] | "too-many" {
  if (device === 0) return [];
  const isOther = (index: number | undefined): boolean =>
    index !== undefined && index !== device && index !== LOOPBACK_INDEX;
  const own = addresses
    .filter(({ index, address }) => isOther(index) && !isLinkLocal(address))
    .map(({ address }): KnownNetwork => [bare(address), NETWORK_OWN]);
  const best = [...Map.groupBy(routes.filter(isUnicast), destinationOf).values()].map(
    (same) => same.toSorted((a, b) => a.priority - b.priority)[0],
  );
  const led = best.flatMap((route): KnownNetwork[] =>
    route === undefined
      ? []
      : [[destinationOf(route), isOther(route.deviceIndex) ? NETWORK_OTHER : NETWORK_MESH]],
  );
  if (own.length === 0 && led.every(([, network]) => network === NETWORK_MESH)) return [];
  const known = [...led, ...own];
  return known.length > NETWORK_SHARE ? "too-many" : known;
}

/** A destination of several routes at once has no interface of its own, and so is the mesh's. */
function isUnicast({ type, destination }: FoundRoute): boolean {
  return type === UNICAST && !isLinkLocal(destination);
}

function destinationOf({ destination, family }: FoundRoute): string {
  if (destination !== "default") return destination;
  return family === AF_INET ? "0.0.0.0/0" : "::/0";
}

/** Never caught anyway. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab][0-9a-f]:/.test(address);
}

function bare(address: string): string {
  return address.replace(/\/\d+$/, "");
}
