/**
 * What was told and what is due: each problem once, again when it comes back, and now and then while it
 * lasts; never too much about one object. No I/O, no clock of its own; memory is bounded.
 */

import type { Statement } from "./events.ts";

/** A lasting problem is told again after this long: before the API server forgets the Event (one hour by default). */
const REPEAT_MS = 50 * 60_000;
/** What nobody has told for this long the API server has forgotten, so it is new. */
const FORGOTTEN_MS = 60 * 60_000;
/** Statements about one object: so many at once, then one every five minutes. */
const BURST = 5;
const REFILL_MS = 5 * 60_000;
/** Statements remembered; beyond it the longest-untold are forgotten, those that don't hold any more first. */
const MAX_REMEMBERED = 20_000;

/** A statement that should be told now: as a new Event, or as the next count of an old one. */
export interface Due {
  readonly statement: Statement;
  /** 1 = new. */
  readonly count: number;
}

interface Told {
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Whether it held at the last look. */
  holds: boolean;
}

/** The memory of one leader's term. */
export class EventLedger {
  /** By the Event's namespace and name. */
  readonly #told = new Map<string, Told>();
  /** When the tokens of an object are all there again: an object without entry has all of them. */
  readonly #fullAt = new Map<string, number>();

  /** How many statements are remembered. */
  get size(): number {
    return this.#told.size;
  }

  /** Notes an Event that an earlier leader has told. */
  remember(name: EventName, count: number, at: number): void {
    this.#told.set(keyOf(name), { count, at, holds: true });
  }

  /** What to tell now, `most` at a time, given all that holds now. Call told() for what was told. */
  due(statements: readonly Statement[], now: number, most: number): readonly Due[] {
    const due: Due[] = [];
    const reserved = new Map<string, number>();
    const held = new Set<string>();
    for (const statement of statements) {
      const key = keyOf(statement);
      if (held.has(key)) continue;
      held.add(key);
      const count = this.#countOf(key, now);
      if (count === undefined || due.length >= most) continue;
      const subject = subjectOf(statement);
      const used = reserved.get(subject) ?? 0;
      if (this.#tokens(subject, now) - used < 1) continue;
      reserved.set(subject, used + 1);
      due.push({ statement, count });
    }
    for (const [key, told] of this.#told) if (!held.has(key)) told.holds = false;
    this.#forget(now);
    return due;
  }

  /** It was told, or will never be. */
  told({ statement, count }: Due, now: number): void {
    const subject = subjectOf(statement);
    const key = keyOf(statement);
    // The longest-untold come first.
    this.#told.delete(key);
    this.#told.set(key, { count, at: now, holds: true });
    this.#fullAt.set(subject, Math.max(this.#fullAt.get(subject) ?? now, now) + REFILL_MS);
  }

  /** With which count a statement that holds is due; undefined = it is not. */
  #countOf(key: string, now: number): number | undefined {
    const told = this.#told.get(key);
    if (told === undefined || now - told.at >= FORGOTTEN_MS) return 1;
    return told.holds && now - told.at < REPEAT_MS ? undefined : told.count + 1;
  }

  #tokens(subject: string, now: number): number {
    const missing = Math.max(0, (this.#fullAt.get(subject) ?? now) - now) / REFILL_MS;
    return BURST - missing;
  }

  #forget(now: number): void {
    for (const [subject, at] of this.#fullAt) if (at <= now) this.#fullAt.delete(subject);
    for (const key of [...this.#forgettable()]) this.#told.delete(key);
  }

  /** As many as are too many: first what does not hold any more, then whatever was told longest ago. */
  *#forgettable(): Generator<string> {
    let surplus = this.#told.size - MAX_REMEMBERED;
    for (const holds of [false, true])
      for (const [key, told] of this.#told) {
        if (surplus <= 0) return;
        if (told.holds !== holds) continue;
        surplus--;
        yield key;
      }
  }
}

/** Where an Event is. */
export interface EventName {
  readonly namespace: string;
  readonly name: string;
}

function keyOf({ namespace, name }: EventName): string {
  return `${namespace}/${name}`;
}

function subjectOf({ ref }: Statement): string {
  return `${ref.kind}/${ref.namespace}/${ref.name}`;
}
