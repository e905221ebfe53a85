/** Whether control is away for so long that what is known of the world may be yesterday's. */

import type { StreamStatus } from "./stream.ts";

/** How long it may be, milliseconds: a control that is restarted, or fails over, is back long before. */
export const ABSENT_AFTER_MS = 30_000;

/** Hears how it stands between agent and control. Dispose of it with what it tells. */
export class Absence implements Disposable {
  readonly #tell: (away: boolean) => void;
  #timer: NodeJS.Timeout | undefined;
  #told = false;

  /** `tell` hears true when control has been lost for ABSENT_AFTER_MS, and false when a snapshot is in force again. */
  constructor(tell: (away: boolean) => void) {
    this.#tell = tell;
  }

  /** Takes a change of state: tries to come back change nothing, nor does a control that answers and knows nothing yet. */
  hear({ kind }: StreamStatus): void {
    if (kind === "lost") this.#timer ??= setTimeout(() => this.#say(true), ABSENT_AFTER_MS).unref();
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
