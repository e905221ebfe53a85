/** Address texts as the routing structures want them: family, bytes, prefix length. Throws on text that is no address. */

import { parseAddress } from "#model/address.ts";
import { AF_INET, AF_INET6 } from "./socket-constants.ts";

/** The two families a pod speaks. */
export type IpFamily = typeof AF_INET | typeof AF_INET6;

/** An address with the length of its network, host bits kept: `10.0.0.2/24`. */
export interface Prefixed {
  readonly family: IpFamily;
  /** 4 or 16 bytes, network order. */
  readonly bytes: Uint8Array;
  /** 0 to 32, or 0 to 128. */
  readonly prefix: number;
}

/** The 4 or 16 bytes of a textual address. Throws a TypeError when it is no IP address. */
export function ipBytes(text: string): Uint8Array {
  const bytes = parseAddress(text);
  if (bytes === undefined) throw new TypeError(`"${text}" is not an IP address`);
  return bytes;
}

/** Reads `ADDRESS/PREFIX`; a bare address gets the full prefix. Throws a TypeError on anything else. */
export function parsePrefixed(text: string): Prefixed {
  const [address = "", length, ...rest] = text.split("/");
  const bytes = ipBytes(address);
  const max = bytes.length * 8;
  const prefix = length === undefined ? max : Number(length);
  if (rest.length > 0 || length === "" || !Number.isInteger(prefix) || prefix < 0 || prefix > max)
    throw new TypeError(`"${text}" is not an address with a prefix length`);
  return { family: bytes.length === 4 ? AF_INET : AF_INET6, bytes, prefix };
}
