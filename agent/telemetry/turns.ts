/** Turns at something that few may do at a time: address by address, so that many from one do not hold up another's. */

/** How many turns there are. */
export interface TurnsOptions {
  readonly atATime: number;
  /** Milliseconds from the beginning of one to that of the next. */
  readonly apartMs: number;
}

/** Who waits. */
export interface Waiter {
  readonly address: string;
  /** Whether it does not wait any more. */
  readonly isGone: () => boolean;
}

/** A turn, until it is ended. */
export interface Turn {
  /** `costMs`: so much later the next turn may begin. */
  readonly end: (costMs?: number) => void;
}

interface Waiting {
  readonly waiter: Waiter;
  readonly begin: (turn: Turn | undefined) => void;
}

/** Gives turns. Who waits is not bounded here. */
export class TurnsByAddress {
  readonly #options: TurnsOptions;
  /** The address whose turn is next comes first. */
  readonly #waiting = new Map<string, Waiting[]>();
  #running = 0;
  /** When the next turn may begin, milliseconds of performance.now(). */
  #nextAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Resolves when it is the waiter's turn; with undefined when that comes and it is gone. */
  take(waiter: Waiter): Promise<Turn | undefined> {
    const { promise, resolve } = Promise.withResolvers<Turn | undefined>();
    this.#waiting.getOrInsertComputed(waiter.address, () => []).push({ waiter, begin: resolve });
    this.#give();
    return promise;
  }

  #give(): void {
    const { atATime, apartMs } = this.#options;
    while (this.#running < atATime && this.#timer === undefined) {
      const next = this.#next();
      if (next === undefined) return;
      this.#running++;
      next.begin({ end: (costMs = 0) => this.#ended(costMs) });
      if (apartMs > 0) this.#pause(apartMs);
    }
  }

  #ended(costMs: number): void {
    this.#running--;
    if (costMs > 0) this.#pause(costMs);
    this.#give();
  }

  #pause(milliseconds: number): void {
    const now = performance.now();
    this.#nextAt = Math.max(now, this.#nextAt) + milliseconds;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#give();
    }, this.#nextAt - now);
    this.#timer.unref();
  }

  /** The first who still waits, of the address that had its turn longest ago. */
  #next(): Waiting | undefined {
    for (const [address, queue] of this.#waiting) {
      this.#waiting.delete(address);
      const next = dropGone(queue);
      if (queue.length > 0) this.#waiting.set(address, queue);
      if (next !== undefined) return next;
    }
    return undefined;
  }
}

function dropGone(queue: Waiting[]): Waiting | undefined {
  for (;;) {
    const first = queue.shift();
    if (first === undefined || !first.waiter.isGone()) return first;
    first.begin(undefined);
  }
}
