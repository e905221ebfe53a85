/** Whether control is away for so long that what is known of the world may be yesterday's. */

import type { StreamStatus } from "./stream.ts";

/** Hears how it stands between agent and control. Dispose of it with what it tells. */
export class Absence implements Disposable {
  readonly #afterMs: number;
  readonly #tell: (away: boolean) => void;
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  /** `tell` hears true when control has been lost for `afterMs` (0: never), and false when a snapshot is in force again. */
  constructor(afterMs: number, tell: (away: boolean) => void) {
    this.#afterMs = afterMs;
    this.#tell = tell;
  }

  /** Takes a change of state: tries to come back change nothing, nor does a control that answers and knows nothing yet. */
  hear({ kind }: StreamStatus): void {
    if (kind === "lost" && this.#afterMs > 0)
      this.#timer ??= setTimeout(() => this.#say(true), this.#afterMs).unref();
    else if (kind === "synced") {
      this[Symbol.dispose]();
      if (this.#told) this.#say(false);
    }
  }

  #say(away: boolean): void {
    this.#told = away;
    this.#tell(away);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
