import { ascii } from "./octets.ts";

/** Names that may not be trailers: a reader that merges trailers into the head would frame the message otherwise. */
const FRAMING: readonly string[] = [
  "content-length",
  "transfer-encoding",
  "host",
  "connection",
  "trailer",
  "te",
  "upgrade",
];

/**
 * Nor these, in a request (RFC 9110 section 6.5.1): they would change the credentials or the content after the fact. In an
 * answer they are its server's own word about its own content.
 */
const OF_REQUESTS: readonly string[] = [
  ...FRAMING,
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

/** The forbidden names by their hash, with their length. */
export type ForbiddenTrailers = ReadonlyMap<number, number>;

/** What may not be a trailer of a request, and of a response. */
export const FORBIDDEN_TRAILERS: Readonly<Record<"request" | "response", ForbiddenTrailers>> = {
  request: hashes(OF_REQUESTS),
  response: hashes(FRAMING),
};

function hashes(names: readonly string[]): ForbiddenTrailers {
  return new Map(
    names.map((name) => [ascii(name).reduce(trailerHash, TRAILER_HASH_SEED), name.length]),
  );
}
