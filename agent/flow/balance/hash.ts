/**
 * Hashes for consistent hashing and affinity. Not cryptographic: a client that chooses its own key can only
 * choose its own endpoint.
 */

/** A request without the key that its service hashes. Real hashes are 0 to 2^32 - 1. */
export const NO_KEY = -1;

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** 32-bit hash of bytes `[start, end)`: of a header's value as it stands in the read buffer, without copying. */
export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = FNV_OFFSET;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), FNV_PRIME);
  return mix(hash);
}

/** 32-bit hash of a text; equals hashBytes of its bytes when it is ASCII (addresses are). */
export function hashText(text: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), FNV_PRIME);
  return mix(hash);
}

/**
 * How much a key wants an endpoint (rendezvous hashing: the endpoint with the highest score gets the key).
 * Two rounds, because one round of a xor leaves endpoints with near seeds correlated.
 */
export function affinityScore(key: number, seed: number): number {
  return mix(mix(key ^ seed) + seed);
}

/** Spreads every input bit over all 32 output bits (the finalizer of MurmurHash3, public domain). */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
