/**
 * What the readers of one format are told of a snapshot: pure. An agent is as old as it is, so it gets all that it can read.
 * What it can't is left out, and where that would let through what has to be restricted, the workloads concerned are told as
 * closed.
 */

import { closedFor } from "#model/closed.ts";
import { KIND, type Kind, type Kinds, valuesIn } from "#model/kinds.ts";
import type { Snapshot } from "#model/snapshot.ts";
import type { Workload } from "#model/workload.ts";

/** The readers of one format. */
export class Audience {
  readonly #format: number;
  /** Whether there may be restrictions that these readers can't be told. */
  readonly misses: boolean;
  /** Uids of workloads that these readers can't be told the restrictions of. */
  readonly #closed: ReadonlySet<string>;

  /** Looks at every value that restricts once; nothing of a kind that does not. */
  constructor(snapshot: Snapshot, format: number, kinds: Kinds) {
    this.#format = format;
    const untold = kinds.filter(({ restricts, newest }) => restricts && newest > format);
    this.misses = untold.length > 0;
    this.#closed = new Set(untold.flatMap((kind) => this.#untold(kind, snapshot)));
  }

  /** Whether these readers know the kind at all. */
  knows({ since }: Kind<object>): boolean {
    return since <= this.#format;
  }

  /** Whether parts of the kind's values may be told alone. */
  takesChanges({ changes }: Kind<object>): boolean {
    return changes !== undefined && changes.since <= this.#format;
  }

  /** The value as they are told it; undefined: it can't be told. */
  told<T extends object>(kind: Kind<T>, value: T): T | undefined {
    const readable = this.#reads(kind, value);
    if (kind.name !== KIND.workloads.name) return readable ? value : undefined;
    const workload = value as T & Workload;
    if (readable && !this.#closed.has(workload.uid)) return value;
    // A workload's closed form is a workload.
    return closedFor(workload, this.#format) as T & Workload;
  }

  #untold(kind: Kind<object>, snapshot: Snapshot): readonly string[] {
    const untold = [...valuesIn(snapshot, kind).values()].filter(
      (value) => !this.#reads(kind, value),
    );
    return untold.flatMap((value) => [...(kind.restricts?.(value) ?? [])]);
  }

  #reads<T extends object>(kind: Kind<T>, value: T): boolean {
    return Math.max(kind.since, kind.formatOf(value)) <= this.#format;
  }
}
