/** The sockets that listen in a network namespace, as the kernel lists them (sock_diag(7)). */

import { formatAddress } from "#model/address.ts";
import type { IpFamily } from "./ip-bytes.ts";
import type { Netlink } from "./netlink.ts";
import { decodeAttributes, viewOf } from "./netlink-codec.ts";
import { AF_INET, AF_INET6, IPPROTO_TCP, TCP_LISTEN } from "./socket-constants.ts";

const SOCK_DIAG_BY_FAMILY = 20;
/** Size of `struct inet_diag_req_v2`. */
const REQUEST_BYTES = 56;
/** Size of `struct inet_diag_msg`. */
const MESSAGE_BYTES = 72;
/** Attribute: whether an IPv6 socket refuses IPv4. */
const INET_DIAG_SKV6ONLY = 11;

/** One listening socket. */
export interface ListeningSocket {
  readonly family: IpFamily;
  /** What it is bound to; `0.0.0.0` or `::` for all. */
  readonly address: string;
  readonly port: number;
  /** Index of the interface it is bound to (SO_BINDTODEVICE); 0 for all. */
  readonly device: number;
  /** For IPv6: whether it refuses IPv4. */
  readonly ipv6Only: boolean;
}

/** All TCP listeners of the namespace of the conversation, opened for NETLINK.SOCK_DIAG. Throws NetlinkError. */
export function listListeners(netlink: Netlink): readonly ListeningSocket[] {
  return ([AF_INET, AF_INET6] as const).flatMap((family) => listFamily(netlink, family));
}

function listFamily(netlink: Netlink, family: IpFamily): ListeningSocket[] {
  const fixed = new Uint8Array(REQUEST_BYTES);
  fixed[0] = family;
  fixed[1] = IPPROTO_TCP;
  new DataView(fixed.buffer).setUint32(4, 1 << TCP_LISTEN, true);
  return netlink
    .dump({ what: "list listening sockets", type: SOCK_DIAG_BY_FAMILY, fixed, attributes: [] })
    .filter(({ type, payload }) => type === SOCK_DIAG_BY_FAMILY && payload[1] === TCP_LISTEN)
    .map(({ payload }) => decode(payload));
}

function decode(payload: Uint8Array): ListeningSocket {
  const view = viewOf(payload);
  const family: IpFamily = payload[0] === AF_INET6 ? AF_INET6 : AF_INET;
  const bytes = payload.subarray(8, family === AF_INET6 ? 24 : 12);
  return {
    family,
    address: formatAddress(bytes),
    port: view.getUint16(4, false),
    device: view.getUint32(40, true),
    ipv6Only: decodeAttributes(payload, MESSAGE_BYTES).get(INET_DIAG_SKV6ONLY)?.[0] === 1,
  };
}
