/** `struct sockaddr_in` and `sockaddr_in6` as bytes, from and to canonical address texts. */

import { formatAddress, parseAddress, unmapAddress } from "#model/address.ts";
import { AF_INET, AF_INET6 } from "./socket-constants.ts";

/** Enough for either structure. */
export const SOCKADDR_BYTES = 28;

const IPV4_LENGTH = 16;

/** An address with a port, as the engine's SocketAddress. */
export interface IpPort {
  readonly ip: string;
  readonly port: number;
}

/**
 * Writes `address` into `into` (SOCKADDR_BYTES long) and returns the length that the kernel must be told,
 * or undefined when the text is no IP address.
 */
export function encodeSockaddr(address: IpPort, into: Uint8Array): number | undefined {
  const ip = parseAddress(address.ip);
  if (ip === undefined) return undefined;
  into.fill(0);
  const family = ip.length === 4 ? AF_INET : AF_INET6;
  into[0] = family;
  into[2] = address.port >> 8;
  into[3] = address.port & 0xff;
  into.set(ip, family === AF_INET ? 4 : 8);
  return family === AF_INET ? IPV4_LENGTH : SOCKADDR_BYTES;
}

/** Reads what the kernel wrote; undefined for other families (an unnamed socket). */
export function decodeSockaddr(from: Uint8Array): IpPort | undefined {
  const family = (from[0] as number) | ((from[1] as number) << 8);
  const port = ((from[2] as number) << 8) | (from[3] as number);
  if (family === AF_INET) return { ip: `${from[4]}.${from[5]}.${from[6]}.${from[7]}`, port };
  if (family !== AF_INET6) return undefined;
  return { ip: formatAddress(unmapAddress(from.subarray(8, 24))), port };
}
