/**
 * Which certificates agents are told to trust, when the authority was replaced. A replica signs with the authority that it
 * opened at its start, and with the Secret's from its next serving certificate on: until then the old one is in use, by
 * replicas that nobody can ask. So whoever starts adds its own and takes away nothing; the leader takes away what was out
 * of use for as long as a serving certificate lives, since by then nothing that the old authority signed is valid. Pure.
 */

import { X509Certificate } from "node:crypto";
import { SERVING_LIFE_MS } from "./authority.ts";

/** Certificates that are told at most, since an agent's handshake tries them all; nobody replaces the authority so often in a day. The oldest goes. */
const MAX_ROOTS = 8;

const PEM = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates in a text, each as PEM of one form; what is none is left out. */
export function certificatesIn(text: string): readonly string[] {
  return (text.match(PEM) ?? []).flatMap((pem) => {
    try {
      return [new X509Certificate(pem).toString()];
    } catch {
      return [];
    }
  });
}

/** What is told once this certificate is there too; a new one comes first. */
export function withRoot(told: readonly string[], own: string): readonly string[] {
  return told.includes(own) ? told : [own, ...told].slice(0, MAX_ROOTS);
}

/** What a leader knows of certificates that are out of use; one for each term, since only a leader looks all the time. */
export class OldRoots {
  /** When each was first seen out of use. */
  readonly #since = new Map<string, number>();
  readonly #now: () => number;

  /** `now` gives milliseconds of a clock that nobody sets. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** What is to be told: the certificates in use, the most important first, and those that may be in use elsewhere. */
  keep(told: readonly string[], inUse: readonly string[]): readonly string[] {
    const now = this.#now();
    for (const certificate of inUse) this.#since.delete(certificate);
    const old = told.filter((certificate) => !inUse.includes(certificate));
    const kept = old.filter(
      (certificate) => now - this.#since.getOrInsert(certificate, now) < SERVING_LIFE_MS,
    );
    return [...new Set([...inUse, ...kept])].slice(0, MAX_ROOTS);
  }
}
