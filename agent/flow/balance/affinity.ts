/**
 * Which endpoint a client was given (Service sessionAffinity ClientIP): a bounded table of hashes.
 * Buckets of WAYS entries; the least recently used of a bucket makes room. Two clients with the same 32-bit
 * hash share an endpoint, which harms nobody; so no addresses are stored and nothing is allocated per client.
 */

import type { LiveEndpoint } from "./live-endpoint.ts";

const WAYS = 8;

/** Remembers clients' endpoints for `ttlMs` after their last use. */
export class AffinityTable {
  readonly #ttlMs: number;
  readonly #mask: number;
  readonly #clients: Uint32Array;
  readonly #lastUse: Float64Array;
  readonly #endpoints: (LiveEndpoint | undefined)[];

  /** `clients`: how many are remembered at most (rounded up to a power of two, at least 8). */
  constructor(ttlMs: number, clients: number) {
    const size = Math.max(WAYS, 2 ** Math.ceil(Math.log2(clients)));
    this.#ttlMs = ttlMs;
    this.#mask = size / WAYS - 1;
    this.#clients = new Uint32Array(size);
    this.#lastUse = new Float64Array(size).fill(Number.NEGATIVE_INFINITY);
    this.#endpoints = new Array<LiveEndpoint | undefined>(size).fill(undefined);
  }

  /** How long an idle client is remembered, in milliseconds. */
  get ttlMs(): number {
    return this.#ttlMs;
  }

  /** The endpoint a client has, or undefined when it has none or its time has passed. */
  get(client: number, now: number): LiveEndpoint | undefined {
    const slot = this.#find(client, now);
    return slot < 0 ? undefined : this.#endpoints[slot];
  }

  /** Gives a client its endpoint, or refreshes it. */
  set(client: number, endpoint: LiveEndpoint, now: number): void {
    const found = this.#find(client, now);
    const slot = found < 0 ? this.#victim(client) : found;
    this.#clients[slot] = client;
    this.#lastUse[slot] = now;
    this.#endpoints[slot] = endpoint;
  }

  #find(client: number, now: number): number {
    const first = (client & this.#mask) * WAYS;
    for (let slot = first; slot < first + WAYS; slot++) {
      const used = this.#lastUse[slot] ?? Number.NEGATIVE_INFINITY;
      if (this.#clients[slot] === client && now - used < this.#ttlMs) return slot;
    }
    return -1;
  }

  #victim(client: number): number {
    const first = (client & this.#mask) * WAYS;
    let oldest = first;
    for (let slot = first + 1; slot < first + WAYS; slot++)
      if ((this.#lastUse[slot] ?? 0) < (this.#lastUse[oldest] ?? 0)) oldest = slot;
    return oldest;
  }
}
