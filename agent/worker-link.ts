/**
 * Main's end of one data worker: its thread, and a wait for each command that it was given. Every wait ends: with the
 * worker's one answer, with the thread, when its time is over, or when main gives it up.
 */

import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import { wakeLoop } from "./engine/loop.ts";
import { Sockets } from "./kernel/sockets.ts";
import type { Answer, Command, FromWorker, News, ToWorker, WorkerInit } from "./messages.ts";

/**
 * V8's young generation of a worker. Nearly everything that a request allocates is garbage when the next one
 * comes, so a small one is as cheap to collect; V8's own choice (48) kept 60 MB more after short connections.
 */
const YOUNG_GENERATION_MB = 6;

/**
 * How long a worker may take for a command that it does at once: a busy machine takes half a second for a world of 10,000
 * pods. Who is silent for longer carries nothing for anybody, and is as good as dead.
 */
const SILENCE_MS = 30_000;

const ENTRY = new URL("./worker.ts", import.meta.url);

/** How long a thread may take to end: its loop turns at least once a second. */
const LAST_MS = 5000;

/** How a wait ends, at the latest. */
export type Patience =
  /** Without an answer by then the worker counts as dead, which ends the agent. */
  | { readonly kind: "or-dead"; readonly ms: number }
  /** Without an answer by then main goes on without it: the wait rejects. */
  | { readonly kind: "or-without"; readonly ms: number }
  /** The answer may take as long as the connections do: until the caller gives up, and then the wait resolves. */
  | { readonly kind: "until-given-up" };

/** How long main waits for the answer to each command, and what follows when there is none. */
export const PATIENCE: Readonly<Record<Command["kind"], Patience>> = {
  apply: { kind: "or-dead", ms: SILENCE_MS },
  serve: { kind: "or-dead", ms: SILENCE_MS },
  move: { kind: "or-dead", ms: SILENCE_MS },
  // What the worker itself gives connections that were cut (CUT_MS) is in it.
  forget: { kind: "or-dead", ms: SILENCE_MS },
  control: { kind: "or-dead", ms: SILENCE_MS },
  watch: { kind: "until-given-up" },
  drain: { kind: "until-given-up" },
  cut: { kind: "or-without", ms: 5000 },
  ask: { kind: "or-without", ms: 2000 },
  stop: { kind: "or-without", ms: LAST_MS },
};

/** An answer that is what was asked for. */
export type Fulfilled = Exclude<Answer, { kind: "failed" }>;

/** What a link tells. */
export interface LinkEvents {
  readonly onNews: (news: News) => void;
  /** The worker is of no use any more: its thread ended without being told to, or it is silent. Called once. */
  readonly onDeath: (error: Error) => void;
}

/** The state of a link. */
type LinkState =
  | { readonly kind: "starting" }
  | { readonly kind: "running"; readonly wakeFd: number }
  | { readonly kind: "stopping"; readonly wakeFd: number }
  | { readonly kind: "dead"; readonly error: Error };

interface Waiting {
  readonly command: Command["kind"];
  readonly answered: (answer: Answer) => void;
  readonly failed: (error: Error) => void;
}

/** One worker, as main sees it. */
export class WorkerLink {
  readonly index: number;
  readonly #events: LinkEvents;
  readonly #system: Sockets = new Sockets();
  readonly #thread: Worker;
  readonly #port: MessagePort;
  readonly #waiting: Map<number, Waiting> = new Map();
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #exited: PromiseWithResolvers<void> = Promise.withResolvers();
  #state: LinkState = { kind: "starting" };
  #nextId = 0;

  /** Starts the thread. `entry`: another program for it, only for tests. */
  constructor(init: Omit<WorkerInit, "port">, events: LinkEvents, entry: URL = ENTRY) {
    this.index = init.index;
    this.#events = events;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#thread = new Worker(entry, {
      // The worker closes descriptors by libc: at its end Node would close numbers that are somebody else's by then.
      trackUnmanagedFds: false,
      workerData: { ...init, port: port2 } satisfies WorkerInit,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    port1.on("message", (message: FromWorker) => this.#heard(message));
    this.#thread.on("error", (error) => this.#die(asError(error)));
    this.#thread.on("exit", (code) => this.#exit(code));
  }

  /** Resolves when the worker turns; rejects when it can't, or does not within SILENCE_MS. */
  async started(): Promise<void> {
    const bound = after(SILENCE_MS, () => this.#die(this.#silent("start", SILENCE_MS)));
    await this.#started.promise.finally(bound.cancel);
  }

  /**
   * Gives a command; resolves with its answer. Rejects when the worker failed at it, is dead, or has not answered within
   * the command's PATIENCE. `signal`: given up when it aborts; needed by those that have no bound of their own.
   */
  async give(command: Command, signal?: AbortSignal): Promise<Fulfilled> {
    if (this.#state.kind === "dead") throw this.#state.error;
    if (this.#state.kind === "starting") throw new Error(`data worker ${this.index} is starting`);
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    this.#waiting.set(id, { command: command.kind, answered: resolve, failed: reject });
    const bound = this.#bound(command.kind, reject);
    const giveUp = (): void => this.#tell({ kind: "cancel", id });
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      this.#tell({ kind: "command", id, command });
      if (signal?.aborted === true) giveUp();
      const answer = await promise;
      if (answer.kind !== "failed") return answer;
      throw new Error(`data worker ${this.index} failed: ${answer.problem}`);
    } finally {
      bound.cancel();
      signal?.removeEventListener("abort", giveUp);
      this.#waiting.delete(id);
    }
  }

  /** Ends the thread: by a word, or by force when it does not listen. Resolves when it has ended, or can't be ended. */
  async stop(): Promise<void> {
    if (this.#state.kind === "running") {
      const { wakeFd } = this.#state;
      const told = this.give({ kind: "stop" });
      this.#state = { kind: "stopping", wakeFd };
      const listens = await told.then(
        () => true,
        () => false,
      );
      if (listens) await this.#ended();
    }
    void this.#thread.terminate();
    await this.#ended();
  }

  /** Resolves when the thread has ended, at the latest after LAST_MS. */
  #ended(): Promise<void> {
    return new Promise((resolve) => {
      const bound = after(LAST_MS, resolve);
      void this.#exited.promise.then(() => {
        bound.cancel();
        resolve();
      });
    });
  }

  #bound(command: Command["kind"], reject: (error: Error) => void): Cancellable {
    const patience = PATIENCE[command];
    if (patience.kind === "until-given-up") return { cancel: () => {} };
    return after(patience.ms, () => {
      const error = this.#silent(command, patience.ms);
      if (patience.kind === "or-dead") this.#die(error);
      reject(error);
    });
  }

  #silent(what: string, ms: number): Error {
    return new Error(`data worker ${this.index} has not answered "${what}" for ${ms / 1000} s`);
  }

  #tell(message: ToWorker): void {
    if (!("wakeFd" in this.#state)) return;
    this.#port.postMessage(message);
    wakeLoop(this.#system, this.#state.wakeFd);
  }

  #heard(message: FromWorker): void {
    switch (message.kind) {
      case "started":
        this.#state = { kind: "running", wakeFd: message.wakeFd };
        this.#started.resolve();
        return;
      case "answer":
        // Unknown: main has gone on without it.
        this.#waiting.get(message.id)?.answered(message.answer);
        return;
      default:
        this.#events.onNews(message);
    }
  }

  #exit(code: number): void {
    this.#die(new Error(`thread ended with ${code}`));
    this.#exited.resolve();
  }

  #die(error: Error): void {
    if (this.#state.kind === "dead") return;
    const expected = this.#state.kind === "stopping";
    this.#state = { kind: "dead", error };
    this.#started.reject(error);
    for (const { failed } of this.#waiting.values()) failed(error);
    if (!expected) this.#events.onDeath(error);
  }
}

interface Cancellable {
  readonly cancel: () => void;
}

/** A thread that was stopped, or this one, is not silent: who comes late gets the time anew. */
const LATE_MS = 1000;

/** Calls back after so many milliseconds in which this thread could have heard something. Keeps no process alive. */
function after(ms: number, callback: () => void): Cancellable {
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    const due = performance.now() + ms;
    timer = setTimeout(() => {
      if (performance.now() > due + LATE_MS) arm();
      else callback();
    }, ms).unref();
  };
  arm();
  return { cancel: () => clearTimeout(timer) };
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
