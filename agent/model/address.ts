/**
 * IP addresses, CIDR blocks and port ranges as the mesh writes and compares them. One canonical text for
 * each address, so that texts can be map keys, and the 4 or 16 bytes that the kernel wants.
 * Pure; never throws on text from outside: what can't be read is undefined.
 */

import type { PortRange } from "./enrolment.ts";

/** A block of addresses: `bytes` (4 or 16, host bits zero) and how many leading bits count. */
export interface Cidr {
  readonly bytes: Uint8Array;
  /** 0 to 32 for four bytes, 0 to 128 for sixteen. */
  readonly bits: number;
}

/** The first 12 bytes of an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2). */
const MAPPED_PREFIX: readonly number[] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/**
 * Reads an address: 4 bytes for IPv4, 16 for IPv6, undefined for anything else. Octets with leading
 * zeros (octal to some parsers), zone ids (`%eth0`) and surrounding space are refused.
 */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/**
 * Writes 4 bytes as dotted IPv4, 16 bytes as RFC 5952 IPv6 (mapped addresses as `::ffff:a.b.c.d`).
 * Throws RangeError on any other length: that is a bug of the caller.
 */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length === 16) return formatIpv6(bytes);
  throw new RangeError(`an address has 4 or 16 bytes, not ${bytes.length}`);
}

/** The 4 bytes inside an IPv4-mapped IPv6 address; any other address as it is. */
export function unmapAddress(bytes: Uint8Array): Uint8Array {
  return isMapped(bytes) ? bytes.slice(12) : bytes;
}

/** The address as 16 bytes: IPv4 becomes `::ffff:a.b.c.d`, the form of dual-stack sockets. */
export function mapAddress(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 16) return bytes;
  const mapped = new Uint8Array(16);
  mapped.set(MAPPED_PREFIX);
  mapped.set(bytes, 12);
  return mapped;
}

/** The one text of an address that all snapshots use (RFC 5952, mapped addresses as plain IPv4). */
export function canonicalAddress(text: string): string | undefined {
  const bytes = parseAddress(text);
  return bytes && formatAddress(unmapAddress(bytes));
}

/** Whether a canonical address text is IPv6. */
export function isIpv6(address: string): boolean {
  return address.includes(":");
}

/**
 * Reads `address/bits`, or a bare address as the block of just that address. Host bits are cleared;
 * a mapped block of 96 bits or more becomes the IPv4 block it means.
 */
export function parseCidr(text: string): Cidr | undefined {
  const [address = "", length, ...rest] = text.split("/");
  const bytes = parseAddress(address);
  if (bytes === undefined || rest.length > 0) return undefined;
  const bits = length === undefined ? bytes.length * 8 : parseDecimal(length, bytes.length * 8);
  if (bits === undefined) return undefined;
  if (isMapped(bytes) && bits >= 96) return masked(bytes.slice(12), bits - 96);
  return masked(bytes, bits);
}

/** The canonical text of a block, for example `10.0.0.0/8`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.bytes)}/${cidr.bits}`;
}

/** The one text of a block that all snapshots use; undefined when it can't be read. */
export function canonicalCidr(text: string): string | undefined {
  const cidr = parseCidr(text);
  return cidr && formatCidr(cidr);
}

/** Whether the block holds the address. A mapped IPv6 address counts as the IPv4 address it means. */
export function cidrContains(cidr: Cidr, address: Uint8Array): boolean {
  const bytes = unmapAddress(address);
  if (bytes.length !== cidr.bytes.length) return false;
  return cidr.bytes.every((byte, i) => byte === ((bytes[i] ?? 0) & maskByte(cidr.bits, i)));
}

/** Reads a TCP port, 1 to 65535, in decimal without sign or leading zeros. */
export function parsePort(text: string): number | undefined {
  const port = parseDecimal(text, 65535);
  return port === 0 ? undefined : port;
}

/** An address and a port in one text: `10.1.0.2:80`, `[fd00::2]:80`. */
export function joinPort({ address, port }: { address: string; port: number }): string {
  return isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** Reads `8080` or `8000-8080` (both ends included, first not above last). */
export function parsePortRange(text: string): PortRange | undefined {
  const [low = "", high = low, ...rest] = text.split("-");
  const first = parsePort(low);
  const last = parsePort(high);
  if (first === undefined || last === undefined || first > last || rest.length > 0)
    return undefined;
  return { first, last };
}

/** The text that parsePortRange reads back. */
export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
}

function parseDecimal(text: string, max: number): number | undefined {
  if (!/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  const bytes = new Uint8Array(4);
  for (const [i, part] of parts.entries()) {
    const octet = parseDecimal(part, 255);
    if (octet === undefined) return undefined;
    bytes[i] = octet;
  }
  return bytes;
}

/** RFC 4291 section 2.2: eight groups, one `::` for a run of zeros, the last 32 bits maybe dotted. */
function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const head = parseGroups(halves[0] ?? "", halves.length === 1);
  const tail = halves.length === 1 ? [] : parseGroups(halves[1] ?? "", true);
  if (head === undefined || tail === undefined) return undefined;
  const known = head.length + tail.length;
  // "::" stands for at least one group (RFC 5952 section 4.2.2 discourages one; reading it is right).
  if (halves.length === 1 ? known !== 16 : known > 14) return undefined;
  const bytes = new Uint8Array(16);
  bytes.set(head);
  bytes.set(tail, 16 - tail.length);
  return bytes;
}

function parseGroups(text: string, mayEndDotted: boolean): number[] | undefined {
  if (text === "") return [];
  const groups = text.split(":");
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    const dotted = mayEndDotted && i === groups.length - 1 ? parseIpv4(group) : undefined;
    if (dotted !== undefined) bytes.push(...dotted);
    else if (/^[0-9a-fA-F]{1,4}$/.test(group)) {
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    } else return undefined;
  }
  return bytes;
}

function formatIpv6(bytes: Uint8Array): string {
  if (isMapped(bytes)) return `::ffff:${bytes.slice(12).join(".")}`;
  const groups = Array.from(
    { length: 8 },
    (_, i) => ((bytes[i * 2] ?? 0) << 8) | (bytes[i * 2 + 1] ?? 0),
  );
  const run = longestZeroRun(groups);
  const hex = groups.map((group) => group.toString(16));
  if (run.length < 2) return hex.join(":");
  return `${hex.slice(0, run.start).join(":")}::${hex.slice(run.start + run.length).join(":")}`;
}

/** RFC 5952 section 4.2.3: the longest run of zero groups, the first of several equals. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [i, group] of groups.entries()) {
    if (group !== 0) start = i + 1;
    else if (i + 1 - start > best.length) best = { start, length: i + 1 - start };
  }
  return best;
}

function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && MAPPED_PREFIX.every((byte, i) => bytes[i] === byte);
}

function masked(bytes: Uint8Array, bits: number): Cidr {
  return { bytes: bytes.map((byte, i) => byte & maskByte(bits, i)), bits };
}

/** The mask of byte `index` in a block of `bits` bits. */
function maskByte(bits: number, index: number): number {
  const inByte = Math.min(8, Math.max(0, bits - index * 8));
  return (0xff00 >> inByte) & 0xff;
}
