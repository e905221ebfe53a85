/**
 * Which threads of the agent live. Every thread counts its ticks in memory that all share, and looks at the others'. Data
 * workers tell the kernel that connections are being carried: main may be busy with pages or a snapshot meanwhile, and a
 * worker that hangs is seen by the others. A main that hangs for long ends the agent, for its policies go stale; so does
 * a worker, whose connections nobody carries.
 *
 * Times are counted in ticks of who looks, not read from a clock: a process that was stopped and goes on finds nobody late.
 */

import { BEAT_MS } from "./kernel/heartbeat.ts";

/** Between two ticks of a thread, milliseconds. */
export const TICK_MS: number = BEAT_MS;

/** A worker that does not tick for so long carries nothing: 3 s, for the world of a large cluster keeps one busy for half a second. */
const SILENT_TICKS = 15;

/** A thread that does not tick for so long hangs: 10 s. */
const HANGING_TICKS = 50;

/** Index of main; worker N is N + 1. */
const MAIN = 0;

/** Whether main has begun to tick, and whether it has said goodbye: before and after there is no beat. */
const STAGE = { before: 0, running: 1, after: 2 } as const;

/** What a thread finds. */
export type Finding =
  /** Connections are being carried: the kernel may be told. */
  | { readonly kind: "beats" }
  /** Main has not begun, or has ended: nobody is watched. */
  | { readonly kind: "rests" }
  /** A worker is silent, so that not all connections are carried. */
  | { readonly kind: "silent"; readonly worker: number }
  /** A thread hangs: -1 is main. */
  | { readonly kind: "hangs"; readonly worker: number };

const BEATS: Finding = { kind: "beats" };
const RESTS: Finding = { kind: "rests" };

/** The shared memory for main and so many workers: a stage, and a count of ticks for each thread. */
export function createPulse(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + 1 + workers) * Int32Array.BYTES_PER_ELEMENT);
}

/** One thread's view. */
export class Pulse {
  readonly #shared: Int32Array<SharedArrayBuffer>;
  readonly #own: number;
  readonly #seen: Int32Array;
  /** Ticks of this thread since each of the others was last seen to tick. */
  readonly #since: Int32Array;

  /** `worker`: its index, or "main". */
  constructor(buffer: SharedArrayBuffer, worker: number | "main") {
    this.#shared = new Int32Array(buffer);
    this.#own = worker === "main" ? MAIN : worker + 1;
    this.#seen = new Int32Array(this.#shared.length - 1);
    this.#since = new Int32Array(this.#shared.length - 1);
  }

  /** For main: from now on all are watched. */
  begin(): void {
    Atomics.store(this.#shared, 0, STAGE.running);
  }

  /** For main: from now on nobody is. */
  end(): void {
    Atomics.store(this.#shared, 0, STAGE.after);
  }

  /** Counts this thread's tick and looks at the others. Call it every TICK_MS. */
  tick(): Finding {
    Atomics.add(this.#shared, 1 + this.#own, 1);
    if (Atomics.load(this.#shared, 0) !== STAGE.running) return RESTS;
    let silent = -1;
    for (let thread = 0; thread < this.#seen.length; thread++) {
      const since = this.#look(thread);
      if (since >= HANGING_TICKS) return { kind: "hangs", worker: thread - 1 };
      if (since >= SILENT_TICKS && thread !== MAIN) silent = thread - 1;
    }
    return silent < 0 ? BEATS : { kind: "silent", worker: silent };
  }

  #look(thread: number): number {
    const ticks = Atomics.load(this.#shared, 1 + thread);
    const same = thread !== this.#own && ticks === this.#seen[thread];
    const since = same ? (this.#since[thread] ?? 0) + 1 : 0;
    this.#seen[thread] = ticks;
    this.#since[thread] = since;
    return since;
  }
}

/** What main's part works with. */
export interface MainPulseInputs {
  readonly pulse: SharedArrayBuffer;
  readonly heartbeat: { sayGoodbye(): void };
  /** A worker hangs: the agent has to end. Called once. */
  readonly onHang: (worker: number) => void;
}

/** Main's ticks, and its watch over the workers. Dispose to say goodbye. */
export class MainPulse implements Disposable {
  readonly #inputs: MainPulseInputs;
  readonly #pulse: Pulse;
  readonly #timer: NodeJS.Timeout;

  constructor(inputs: MainPulseInputs) {
    this.#inputs = inputs;
    this.#pulse = new Pulse(inputs.pulse, "main");
    this.#pulse.begin();
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#pulse.end();
    this.#inputs.heartbeat.sayGoodbye();
  }

  #tick(): void {
    const found = this.#pulse.tick();
    if (found.kind !== "hangs") return;
    clearInterval(this.#timer);
    this.#inputs.onHang(found.worker);
  }
}
