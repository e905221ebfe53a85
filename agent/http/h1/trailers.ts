import { ascii } from "./octets.ts";

/**
 * Names that may not be trailers (RFC 9110 section 6.5.1): a receiver that merges trailers into the head
 * would change the message's framing, target or credentials after the fact.
 */
const FORBIDDEN: readonly string[] = [
  "content-length",
  "transfer-encoding",
  "host",
  "connection",
  "trailer",
  "te",
  "upgrade",
  "content-encoding",
  "content-type",
  "content-range",
  "authorization",
  "cookie",
  "set-cookie",
];

/** Start value of trailerHash (FNV-1a, 32 bits). */
export const TRAILER_HASH_SEED: number = 0x811c9dc5;

/**
 * Adds one lower-case byte of a name to its hash. A hash, because the name's bytes may be spread over reads
 * and keeping them would cost memory on every connection; a collision refuses a trailer nobody sends.
 */
export function trailerHash(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193) >>> 0;
}

/** Whether a name of this hash and length is one of the forbidden ones. */
export function isForbiddenTrailer(hash: number, length: number): boolean {
  return HASHES.get(hash) === length;
}

const HASHES: ReadonlyMap<number, number> = new Map(
  FORBIDDEN.map((name) => [ascii(name).reduce(trailerHash, TRAILER_HASH_SEED), name.length]),
);
