/**
 * Which replica of control leads: a Lease that its holder renews (the etcd behind the API server makes it a
 * single one). The leader writes Events and statuses; every replica serves agents. May import control's
 * api-call; must never decide by another machine's clock.
 *
 * This file: the decision, pure.
 */

/** How the election is timed; milliseconds. */
export interface Timings {
  /** A holder that was not seen to renew for this long is replaced. */
  readonly leaseMs: number;
  /** A leader that could not renew for this long stops leading: well before others may take over. */
  readonly renewDeadlineMs: number;
  /** Between two looks at the lease. */
  readonly retryMs: number;
}

/** A killed leader is replaced at most leaseMs + 1.2 × retryMs after its last renewal was seen: 12.4 s. */
export const TIMINGS: Timings = { leaseMs: 10_000, renewDeadlineMs: 7000, retryMs: 2000 };

/** What a lease says. */
export interface LeaseWords {
  /** Empty = nobody: it was released. */
  readonly holder: string;
  readonly leaseMs: number;
  /** The text of a time: compared, never read, as it is of the holder's clock. */
  readonly renewed: string;
  /** How often the holder changed. */
  readonly transitions: number;
}

/** What was last seen of the lease, and when that first was (own clock, milliseconds, only ever rising). */
export interface Sighting {
  readonly words: LeaseWords;
  readonly since: number;
}

/** What to do about the lease now. */
export type Move =
  /** There is none: make it. */
  | { readonly kind: "create" }
  /** It is ours: write a new time. */
  | { readonly kind: "renew" }
  /** Nobody holds it, or its holder is silent for too long. */
  | { readonly kind: "take"; readonly transitions: number }
  /** Another replica leads; look again after at most this many milliseconds. */
  | { readonly kind: "follow"; readonly lookInMs: number };

/** What a look at the lease makes known: the old sighting when nothing has changed, else a new one. */
export function sight(before: Sighting | undefined, words: LeaseWords, now: number): Sighting {
  return before !== undefined && sameWords(before.words, words) ? before : { words, since: now };
}

/** Decides what a replica called `identity` does. `sighting` undefined = there is no lease. */
export function decide(sighting: Sighting | undefined, identity: string, now: number): Move {
  if (sighting === undefined) return { kind: "create" };
  const { words, since } = sighting;
  if (words.holder === identity) return { kind: "renew" };
  const left = since + words.leaseMs - now;
  if (words.holder === "" || left <= 0) return { kind: "take", transitions: words.transitions + 1 };
  return { kind: "follow", lookInMs: left };
}

function sameWords(a: LeaseWords, b: LeaseWords): boolean {
  return a.holder === b.holder && a.renewed === b.renewed && a.transitions === b.transitions;
}
