/** Routes over rtnetlink, in any table, also those of type `local` that deliver foreign addresses here. */

import { formatAddress } from "#model/address.ts";
import type { IpFamily } from "./ip-bytes.ts";
import { ipBytes, parsePrefixed } from "./ip-bytes.ts";
import { linkIndex } from "./links.ts";
import type { Netlink, NetlinkRequest } from "./netlink.ts";
import type { Attribute } from "./netlink-codec.ts";
import { decodeAttributes, NLM_F, raw, readU32, u32 } from "./netlink-codec.ts";
import { AF_INET, AF_INET6 } from "./socket-constants.ts";

const RTM = { NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26 } as const;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, TABLE: 15 } as const;
const TYPE = { unicast: 1, local: 2, blackhole: 6 } as const;
/** The kernel's number of an ordinary route, as FoundRoute.type. */
export const UNICAST: number = TYPE.unicast;
const SCOPE = { universe: 0, link: 253, host: 254 } as const;
/** "Set by the administrator": what `ip route add` uses without saying more. */
const RTPROT_BOOT = 3;
/** Size of `struct rtmsg`. */
const RTMSG_BYTES = 12;

/** The table that is used when no rule says otherwise (RT_TABLE_MAIN). */
export const MAIN_TABLE = 254;

/** A route, as wanted or as found. */
export interface Route {
  /** Network in CIDR form, or `default`. */
  readonly destination: string;
  /** Needed for `default` without gateway or source; else it follows from the addresses. */
  readonly family?: IpFamily;
  /** `local`: deliver to this namespace whoever is addressed. Default `unicast`. */
  readonly type?: keyof typeof TYPE;
  /** Name of the interface. */
  readonly device?: string;
  /** Address of the next router. */
  readonly gateway?: string;
  /** Preferred source address. */
  readonly source?: string;
  /** Default MAIN_TABLE. */
  readonly table?: number;
  /** Metric; less wins. */
  readonly priority?: number;
}

/** A route as the kernel reports it. */
export interface FoundRoute {
  readonly family: IpFamily;
  readonly destination: string;
  /** The kernel's number of the type: 1 unicast, 2 local, 6 blackhole. */
  readonly type: number;
  readonly table: number;
  readonly deviceIndex?: number;
  readonly gateway?: string;
  readonly source?: string;
  /** Metric; of two to the same destination the one with less wins. */
  readonly priority: number;
}

/** Adds a route, or replaces the one to the same destination in the same table. */
export function addRoute(netlink: Netlink, route: Route): void {
  netlink.request(
    routeRequest(netlink, route, {
      what: `add route ${describe(route)}`,
      type: RTM.NEWROUTE,
      flags: NLM_F.CREATE | NLM_F.REPLACE,
    }),
  );
}

/** Removes a route. Returns false when there is none like it. */
export function deleteRoute(netlink: Netlink, route: Route): boolean {
  return netlink.requestUnless(
    "ESRCH",
    anyScope(
      routeRequest(netlink, route, {
        what: `delete route ${describe(route)}`,
        type: RTM.DELROUTE,
        flags: 0,
      }),
    ),
  );
}

/** The routes of one family in one table. */
export function listRoutes(
  netlink: Netlink,
  query: { readonly family: IpFamily; readonly table: number },
): readonly FoundRoute[] {
  const fixed = new Uint8Array(RTMSG_BYTES);
  fixed[0] = query.family;
  return netlink
    .dump({ what: "list routes", type: RTM.GETROUTE, fixed, attributes: [] })
    .filter((message) => message.type === RTM.NEWROUTE)
    .map((message) => decodeRoute(message.payload))
    .filter((route) => route.table === query.table);
}

function routeRequest(
  netlink: Netlink,
  route: Route,
  message: Pick<NetlinkRequest, "what" | "type" | "flags">,
): NetlinkRequest {
  const family = routeFamily(route);
  const table = route.table ?? MAIN_TABLE;
  const type = route.type ?? "unicast";
  const destination =
    route.destination === "default" ? undefined : parsePrefixed(route.destination);
  const fixed = new Uint8Array(RTMSG_BYTES);
  fixed[0] = family;
  fixed[1] = destination?.prefix ?? 0;
  fixed[4] = table < 256 ? table : 0;
  fixed[5] = RTPROT_BOOT;
  fixed[6] = scopeOf(type, route.gateway);
  fixed[7] = TYPE[type];
  const attributes: Attribute[] = [u32(RTA.TABLE, table)];
  if (destination) attributes.push(raw(RTA.DST, destination.bytes));
  if (route.device !== undefined) attributes.push(u32(RTA.OIF, linkIndex(netlink, route.device)));
  if (route.gateway !== undefined) attributes.push(raw(RTA.GATEWAY, ipBytes(route.gateway)));
  if (route.source !== undefined) attributes.push(raw(RTA.PREFSRC, ipBytes(route.source)));
  if (route.priority !== undefined) attributes.push(u32(RTA.PRIORITY, route.priority));
  return { ...message, fixed, attributes };
}

/** RT_SCOPE_NOWHERE in a deletion means: whatever the scope, so a route may be named by its destination alone. */
function anyScope(request: NetlinkRequest): NetlinkRequest {
  request.fixed[6] = 255;
  return request;
}

function scopeOf(type: keyof typeof TYPE, gateway: string | undefined): number {
  if (type === "local") return SCOPE.host;
  return gateway === undefined && type === "unicast" ? SCOPE.link : SCOPE.universe;
}

function routeFamily(route: Route): IpFamily {
  if (route.family !== undefined) return route.family;
  if (route.destination !== "default") return parsePrefixed(route.destination).family;
  const hint = route.gateway ?? route.source;
  if (hint === undefined)
    throw new TypeError("a default route without gateway and source needs its family");
  return parsePrefixed(hint).family;
}

function describe(route: Route): string {
  return [
    route.type ?? "",
    route.destination,
    route.gateway === undefined ? "" : `via ${route.gateway}`,
    route.device === undefined ? "" : `dev ${route.device}`,
    route.source === undefined ? "" : `src ${route.source}`,
    `table ${route.table ?? MAIN_TABLE}`,
  ]
    .filter((word) => word !== "")
    .join(" ");
}

function decodeRoute(payload: Uint8Array): FoundRoute {
  const attributes = decodeAttributes(payload, RTMSG_BYTES);
  const family: IpFamily = payload[0] === AF_INET6 ? AF_INET6 : AF_INET;
  const destination = attributes.get(RTA.DST);
  const gateway = attributes.get(RTA.GATEWAY);
  const source = attributes.get(RTA.PREFSRC);
  const deviceIndex = readU32(attributes.get(RTA.OIF));
  return {
    family,
    destination: destination ? `${formatAddress(destination)}/${payload[1]}` : "default",
    type: payload[7] ?? 0,
    table: readU32(attributes.get(RTA.TABLE)) ?? payload[4] ?? 0,
    priority: readU32(attributes.get(RTA.PRIORITY)) ?? 0,
    ...(deviceIndex === undefined ? {} : { deviceIndex }),
    ...(gateway === undefined ? {} : { gateway: formatAddress(gateway) }),
    ...(source === undefined ? {} : { source: formatAddress(source) }),
  };
}
