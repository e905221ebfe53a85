/**
 * One timer wheel per worker. Timers are objects that their users own and arm again and again: arming and
 * cancelling cost a few nanoseconds and allocate nothing, so each connection may have several.
 * Times are milliseconds of the loop's clock; a timer fires up to TICK_MS late, never early.
 */

/** Resolution in milliseconds: what a wake-up per tick costs against how late a timer may be. */
export const TICK_MS: number = 10;

/** Told when a timer fires. The timer is no longer armed then, and may be armed again at once. */
export interface TimerHandler {
  onTimer(timer: Timer): void;
}

/** Slots per level; three levels span 2.56 s, 11 min and 2 days. */
const SLOTS = 256;
const SHIFT = 8;
const LEVELS = 3;
const MAX_TICKS = SLOTS ** LEVELS - 1;

/** A timer; belongs to one wheel once armed. */
export class Timer {
  handler: TimerHandler;
  /** Free for the owner: which of several timers of one handler this is. */
  readonly tag: number;
  /** Wheel's own: the tick at which to fire. */
  deadline: number = 0;
  /** Wheel's own: the tick for which it is linked; an extended timer stays linked early and is moved then. */
  linkedFor: number = 0;
  /** Wheel's own: neighbours in a slot's ring; itself when not armed. */
  next: Timer;
  prev: Timer;

  constructor(handler: TimerHandler, tag: number = 0) {
    this.handler = handler;
    this.tag = tag;
    this.next = this;
    this.prev = this;
  }

  /** Whether the timer is waiting to fire. */
  get armed(): boolean {
    return this.next !== this;
  }
}

const NOBODY: TimerHandler = { onTimer: () => undefined };

/** The wheel. */
export class TimerWheel {
  /** Ring heads, level by level. */
  readonly #slots: Timer[] = Array.from({ length: SLOTS * LEVELS }, () => new Timer(NOBODY));
  readonly #due: Timer = new Timer(NOBODY);
  #tick: number;
  #count = 0;

  /** `nowMs` is the loop's clock at the start. */
  constructor(nowMs: number) {
    this.#tick = Math.floor(nowMs / TICK_MS);
  }

  /** How many timers are armed. */
  get armedCount(): number {
    return this.#count;
  }

  /**
   * Fires `timer` once, `delayMs` (0 to 2 days; more is cut to that) after `nowMs`, the loop's clock.
   * Arms again when it was armed.
   */
  arm(timer: Timer, nowMs: number, delayMs: number): void {
    const ticks = Math.min(Math.ceil((nowMs + delayMs) / TICK_MS), this.#tick + MAX_TICKS);
    timer.deadline = Math.max(ticks, this.#tick + 1);
    if (timer.next !== timer) {
      // The common case, an idle timer pushed back: leave it where it is, it will be moved when found early.
      if (timer.deadline >= timer.linkedFor) return;
      unlink(timer);
    } else {
      this.#count++;
    }
    this.#link(timer);
  }

  /** Forgets the timer; nothing when it was not armed, or never made. */
  cancel(timer: Timer | undefined): void {
    if (timer === undefined || timer.next === timer) return;
    unlink(timer);
    this.#count--;
  }

  /** Fires all that is due at `nowMs`. Timers armed by handlers fire in a later call. */
  advance(nowMs: number): void {
    const target = Math.floor(nowMs / TICK_MS);
    if (this.#count === 0) {
      this.#tick = Math.max(this.#tick, target);
      return;
    }
    while (this.#tick < target) {
      this.#tick++;
      this.#cascade();
      this.#collect(this.#slot(0));
    }
    this.#fire();
  }

  /** Milliseconds from `nowMs` until advance() may have work (never later than needed); -1 when nothing is armed. */
  nextDelay(nowMs: number): number {
    if (this.#count === 0) return -1;
    if (this.#due.next !== this.#due) return 0;
    const limit = SLOTS - (this.#tick & (SLOTS - 1));
    let ahead = 1;
    while (ahead < limit && isEmpty(this.#slots[(this.#tick + ahead) & (SLOTS - 1)] as Timer))
      ahead++;
    return Math.max(0, Math.ceil((this.#tick + ahead) * TICK_MS - nowMs));
  }

  #slot(level: number): Timer {
    return this.#slots[level * SLOTS + ((this.#tick >> (SHIFT * level)) & (SLOTS - 1))] as Timer;
  }

  #link(timer: Timer): void {
    const ahead = timer.deadline - this.#tick;
    let level = 0;
    while (level < LEVELS - 1 && ahead >= 1 << (SHIFT * (level + 1))) level++;
    const index = (timer.deadline >> (SHIFT * level)) & (SLOTS - 1);
    timer.linkedFor = timer.deadline;
    append(this.#slots[level * SLOTS + index] as Timer, timer);
  }

  /** At the end of a level's turn, spreads the next slot of the level above over it. */
  #cascade(): void {
    for (let level = 1; level < LEVELS; level++) {
      if ((this.#tick & ((1 << (SHIFT * level)) - 1)) !== 0) return;
      this.#collect(this.#slot(level));
    }
  }

  /** Empties a slot: what is due goes to the due ring, the rest back into the wheel. */
  #collect(slot: Timer): void {
    while (slot.next !== slot) {
      const timer = slot.next;
      unlink(timer);
      if (timer.deadline <= this.#tick) append(this.#due, timer);
      else this.#link(timer);
    }
  }

  #fire(): void {
    while (this.#due.next !== this.#due) {
      const timer = this.#due.next;
      unlink(timer);
      // A handler before it may have pushed it back.
      if (timer.deadline > this.#tick) {
        this.#link(timer);
        continue;
      }
      this.#count--;
      timer.handler.onTimer(timer);
    }
  }
}

function isEmpty(head: Timer): boolean {
  return head.next === head;
}

function append(head: Timer, timer: Timer): void {
  timer.prev = head.prev;
  timer.next = head;
  head.prev.next = timer;
  head.prev = timer;
}

function unlink(timer: Timer): void {
  timer.prev.next = timer.next;
  timer.next.prev = timer.prev;
  timer.next = timer;
  timer.prev = timer;
}
