/**
 * What the agent knows of the world: one snapshot, replaced whole. May import agent/model; must never
 * decide what to do with what it knows, nor touch the kernel.
 * This file: the current snapshot, its replacement, and who wants to be told.
 */

import { EMPTY_SNAPSHOT, type Snapshot, type SnapshotDelta } from "#model/snapshot.ts";
import { applyDelta, fullDelta } from "#model/snapshot-delta.ts";

/** Told of each new snapshot, with what changed since the one before. Must not throw. */
export type SnapshotListener = (snapshot: Snapshot, delta: SnapshotDelta) => void;

/** What became of a delta. */
export type Applied =
  | { readonly kind: "applied"; readonly snapshot: Snapshot }
  /** The delta is for another snapshot: ask control for everything. */
  | { readonly kind: "other-base" };

/** Holds the current snapshot. Readers take `current` once per connection and keep that value. */
export class SnapshotStore {
  #current: Snapshot = EMPTY_SNAPSHOT;
  #confirmedAt: number | undefined;
  readonly #listeners = new Set<SnapshotListener>();
  readonly #now: () => number;
  readonly #startedAt: number;

  /** `now` gives milliseconds since 1970. */
  constructor(now: () => number) {
    this.#now = now;
    this.#startedAt = now();
  }

  /** The newest snapshot; EMPTY_SNAPSHOT until something is known. */
  get current(): Snapshot {
    return this.#current;
  }

  /** When control last said that `current` is the newest (ms since 1970); undefined = not since start. */
  get confirmedAt(): number | undefined {
    return this.#confirmedAt;
  }

  /** Milliseconds since control last confirmed `current`; since the start, when it has not yet. */
  get age(): number {
    // A clock that was set back must not make it negative.
    return Math.max(0, this.#now() - (this.#confirmedAt ?? this.#startedAt));
  }

  /**
   * Applies a delta from control. An empty one for the version at hand confirms it: `current` stays the
   * same value and nobody is told.
   */
  apply(delta: SnapshotDelta): Applied {
    const next = applyDelta(this.#current, delta);
    if (next === undefined) return { kind: "other-base" };
    this.confirm();
    if (delta.base !== delta.version) this.#swap(next, delta);
    return { kind: "applied", snapshot: this.#current };
  }

  /** Control said that `current` is still the newest. */
  confirm(): void {
    this.#confirmedAt = this.#now();
  }

  /** Starts from a snapshot of an earlier life, which control has not confirmed. */
  restore(snapshot: Snapshot): void {
    this.#swap(snapshot, fullDelta(snapshot));
  }

  /** Calls back after every swap, in the order of subscribing, until the returned function is called. */
  subscribe(listener: SnapshotListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #swap(snapshot: Snapshot, delta: SnapshotDelta): void {
    this.#current = snapshot;
    for (const listener of this.#listeners) listener(snapshot, delta);
  }
}
