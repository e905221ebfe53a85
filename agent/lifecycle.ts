/**
 * When the agent counts as ready, and how it leaves. Imports nothing of ours: everything that can be waited
 * for or drained plugs itself in.
 */

/** Named things that must happen before the agent is ready. Ready = nothing is awaited. */
export class Prerequisites {
  readonly #awaited = new Map<string, number>();
  readonly #clock: () => number;
  readonly #waiting: (() => void)[] = [];

  /** `clock`: milliseconds, to say for how long something is awaited. */
  constructor(clock: () => number) {
    this.#clock = clock;
  }

  /** Whether nothing is awaited. */
  get ready(): boolean {
    return this.#awaited.size === 0;
  }

  /** Starts to await `name`; the returned function says that it is there (calling it again does nothing). A name may be awaited once at a time: throws otherwise. */
  await(name: string): () => void {
    if (this.#awaited.has(name)) throw new Error(`"${name}" is already awaited`);
    this.#awaited.set(name, this.#clock());
    return () => this.#arrived(name);
  }

  /** What is awaited, oldest first, and since how many seconds. */
  awaited(): readonly { readonly name: string; readonly seconds: number }[] {
    const now = this.#clock();
    return [...this.#awaited].map(([name, since]) => ({ name, seconds: (now - since) / 1_000 }));
  }

  /** Resolves when nothing is awaited. */
  whenReady(): Promise<void> {
    if (this.ready) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #arrived(name: string): void {
    if (!this.#awaited.delete(name) || !this.ready) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** Something with connections to bring to an end. None of its methods may throw; idle() may be asked once. */
export interface Drainable {
  readonly name: string;
  /** From now on nothing new is taken. */
  stopAccepting(): void | Promise<void>;
  /** Resolves when nothing is left to wait for. */
  idle(): Promise<void>;
  /** Cuts what is left. Resolves when it is cut. */
  force(): void | Promise<void>;
}

/** Where a drain is. */
export type DrainState =
  | { readonly kind: "serving" }
  | { readonly kind: "draining"; readonly busy: readonly string[] }
  | { readonly kind: "forcing"; readonly busy: readonly string[] }
  /** `forced` names those that had to be cut; empty after a clean end. */
  | { readonly kind: "drained"; readonly forced: readonly string[] };

/**
 * What ends the agent, however often it is asked to: the drain, then `end`, once. Asked again, the drain hurries; everybody
 * waits for the same end.
 */
export function endOnce(drain: Drain, end: () => Promise<void>): () => Promise<void> {
  let ended: Promise<void> | undefined;
  return () => {
    const drained = drain.begin();
    ended ??= drained.then(end);
    return ended;
  };
}

/** Inputs of a Drain. */
export interface DrainInputs {
  readonly parts: readonly Drainable[];
  /** How long connections may go on after stopAccepting, milliseconds. */
  readonly deadlineMs: number;
  /** Calls back after some milliseconds; returns how to cancel it. */
  readonly after: (milliseconds: number, callback: () => void) => () => void;
}

/** Stop accepting, wait until idle or the deadline, then force: for all parts at once. */
export class Drain {
  readonly #inputs: DrainInputs;
  readonly #busy: Set<Drainable>;
  #state: DrainState = { kind: "serving" };
  #running: Promise<DrainState> | undefined;
  #hurry: () => void = () => undefined;

  constructor(inputs: DrainInputs) {
    this.#inputs = inputs;
    this.#busy = new Set(inputs.parts);
  }

  /** Where it is now. */
  get state(): DrainState {
    return this.#state;
  }

  /** Starts the drain; asked again (a second signal), ends the waiting at once. Resolves with the `drained` state. */
  begin(): Promise<DrainState> {
    if (this.#running === undefined) this.#running = this.#run();
    else this.#hurry();
    return this.#running;
  }

  async #run(): Promise<DrainState> {
    const { parts } = this.#inputs;
    this.#state = { kind: "draining", busy: this.#names() };
    const deadline = this.#deadline();
    await Promise.race([Promise.all(parts.map((part) => part.stopAccepting())), deadline]);
    const idle = parts.map((part) => part.idle().then(() => this.#isIdle(part)));
    await Promise.race([Promise.all(idle), deadline]);
    const left = [...this.#busy];
    const forced = this.#names();
    if (left.length > 0) this.#state = { kind: "forcing", busy: forced };
    this.#hurry();
    await Promise.all(left.map((part) => part.force()));
    this.#state = { kind: "drained", forced };
    return this.#state;
  }

  /** Resolves at the deadline or when hurried, and then holds no timer. */
  #deadline(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#inputs.after(this.#inputs.deadlineMs, resolve);
      this.#hurry = () => {
        cancel();
        resolve();
      };
    });
  }

  #isIdle(part: Drainable): void {
    this.#busy.delete(part);
    if (this.#state.kind === "draining") this.#state = { kind: "draining", busy: this.#names() };
  }

  #names(): readonly string[] {
    return [...this.#busy].map((part) => part.name);
  }
}
