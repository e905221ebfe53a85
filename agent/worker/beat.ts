/** A data worker's part of the pulse: it tells the kernel that connections are being carried, and ends an agent whose main hangs. */

import { writeSync } from "node:fs";
import { Timer } from "../engine/timers.ts";
import { libc } from "../kernel/ffi.ts";
import { Heartbeat } from "../kernel/heartbeat.ts";
import type { MapFds } from "../kernel/sockets.ts";
import { jsonLog } from "../log.ts";
import { Pulse, TICK_MS } from "../pulse.ts";

/** What it works with. */
export interface BeatInputs {
  readonly pulse: SharedArrayBuffer;
  /** This worker's index. */
  readonly index: number;
  /** The map `heartbeat`; -1: nobody is told. */
  readonly mapFds: Pick<MapFds, "heartbeat">;
  readonly loop: { arm(timer: Timer, delayMs: number): void };
}

const STDERR = 2;

/** Ticks for as long as the loop turns. */
export class Beat {
  readonly #inputs: BeatInputs;
  readonly #pulse: Pulse;
  readonly #heartbeat: Heartbeat | undefined;
  readonly #timer: Timer = new Timer({ onTimer: () => this.#tick() });

  constructor(inputs: BeatInputs) {
    const { pulse, index, mapFds } = inputs;
    this.#inputs = inputs;
    this.#pulse = new Pulse(pulse, index);
    this.#heartbeat = mapFds.heartbeat < 0 ? undefined : new Heartbeat(mapFds.heartbeat);
    this.#tick();
  }

  #tick(): void {
    this.#inputs.loop.arm(this.#timer, TICK_MS);
    const found = this.#pulse.tick();
    if (found.kind === "beats") this.#heartbeat?.beat();
    // Of a worker that hangs main is told by its own look.
    else if (found.kind === "hangs" && found.worker < 0) endAgent();
  }
}

/** Main can't be asked to. */
function endAgent(): void {
  const log = jsonLog(
    (line) => void writeSync(STDERR, line),
    () => new Date(),
  );
  log("error", "the main thread hangs: the agent ends, and starts anew");
  libc.abort();
}
