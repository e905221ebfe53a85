/** `struct sockaddr_in` and `sockaddr_in6` as bytes, from and to canonical address texts. */

import { formatAddress, parseAddress } from "#model/address.ts";
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
  if (family === AF_INET) return { ip: ipv4Text(from, 4), port };
  if (family !== AF_INET6) return undefined;
  if (isMapped(from)) return { ip: ipv4Text(from, 20), port };
  return { ip: formatAddress(from.subarray(8, 24)), port };
}

/** Most texts kept; beyond it all are forgotten and found again. */
const MAX_TEXTS = 4096;

/** Texts of IPv4 addresses seen: few peers make many connections, and one text per address keeps its hash. */
const texts = new Map<number, string>();

function ipv4Text(from: Uint8Array, at: number): string {
  const [a, b, c, d] = [from[at], from[at + 1], from[at + 2], from[at + 3]] as Quad;
  const key = (a << 24) | (b << 16) | (c << 8) | d;
  let text = texts.get(key);
  if (text === undefined) {
    if (texts.size >= MAX_TEXTS) texts.clear();
    text = `${a}.${b}.${c}.${d}`;
    texts.set(key, text);
  }
  return text;
}

type Quad = [number, number, number, number];

/** ::ffff:0:0/96 (RFC 4291 section 2.5.5.2): what a dual-stack socket calls IPv4. */
function isMapped(from: Uint8Array): boolean {
  for (let i = 8; i < 18; i++) if (from[i] !== 0) return false;
  return from[18] === 0xff && from[19] === 0xff;
}
