/** Looks at the kernel's figures of connections: one system call each, and no memory. */

import { type System, TcpFigures } from "./system.ts";

/** What all legs of a loop look with. */
export class Looks {
  /** What the last look found. */
  readonly figures: TcpFigures = new TcpFigures();
  /** What a meter is told, filled anew each time. */
  readonly news: TcpFigures = new TcpFigures();
  readonly #system: System;
  /** At whom it looked last, and when (ms). */
  #of: object | undefined = undefined;
  #atMs = 0;

  constructor(system: System) {
    this.#system = system;
  }

  /** Fills `figures` with those of the socket `fd` of `who`, once for each turn of the loop. False when there are none. */
  at(who: object, fd: number, nowMs: number): boolean {
    if (this.#of === who && this.#atMs === nowMs) return true;
    this.#of = undefined;
    if (this.#system.tcpFigures(fd, this.figures) < 0) return false;
    this.#of = who;
    this.#atMs = nowMs;
    return true;
  }
}
