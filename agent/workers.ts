/**
 * Main's side of the data workers: starts them, tells them, waits for their answers. A worker that dies takes
 * its sockets with it only when the process ends, so a dead worker ends the agent: the kernel closes
 * everything at once, `mesh/fail` holds, and the supervisor starts a fresh agent.
 */

import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import { wakeLoop } from "./engine/loop.ts";
import { libc } from "./kernel/ffi.ts";
import { localPortRange } from "./kernel/netns.ts";
import { Sockets } from "./kernel/sockets.ts";
import type { FromWorker, Question, Row, ToWorker, WorkerInit } from "./messages.ts";
import type { CaughtPod, PodUsers } from "./redirect/pod.ts";

/** fcntl(2): duplicate a descriptor, close-on-exec. */
const F_DUPFD_CLOEXEC = 1030;

/**
 * V8's young generation of a worker. Nearly everything that a request allocates is garbage when the next one
 * comes, so a small one is as cheap to collect; V8's own choice (48) kept 60 MB more after short connections.
 */
const YOUNG_GENERATION_MB = 6;

/** How long the admin socket waits for a worker's answer. */
const ANSWER_TIMEOUT_MS = 2000;

/** What the workers are given, beside their own port and counters. */
export interface WorkersInputs {
  readonly count: number;
  readonly settings: Omit<WorkerInit, "index" | "workers" | "port" | "metrics" | "log">;
  /** One block of counters and (unless off) one access-log ring per worker. */
  readonly metrics: readonly SharedArrayBuffer[];
  readonly logs: readonly (SharedArrayBuffer | undefined)[];
  /** A worker's thread ended, or a handler threw: the text says what. */
  readonly onBug: (text: string) => void;
  /** Something else than HTTP is spoken on a port that declares it; again every ten minutes while it lasts. */
  readonly onMisdeclared: (port: MisdeclaredPort) => void;
  /** Control is away and no known endpoint of the Service answers; again every minute while it lasts. */
  readonly onFallback: (service: string) => void;
  readonly onDeath: (index: number, error: Error) => void;
}

interface Running {
  readonly index: number;
  readonly thread: Worker;
  readonly port: MessagePort;
  wakeFd: number;
}

/** The data workers of one agent. */
export class Workers implements PodUsers {
  readonly #inputs: WorkersInputs;
  readonly #system: Sockets = new Sockets();
  readonly #running: Running[] = [];
  readonly #expected: { match: (from: Running, message: FromWorker) => boolean }[] = [];
  #nextOwner = 0;
  #nextQuestion = 0;
  #stopping = false;

  constructor(inputs: WorkersInputs) {
    this.#inputs = inputs;
  }

  /** Starts the threads; resolves when all are turning. */
  async start(): Promise<void> {
    const started: Promise<unknown>[] = [];
    for (let index = 0; index < this.#inputs.count; index++) started.push(this.#startOne(index));
    await Promise.all(started);
  }

  /** Number of threads running. */
  get count(): number {
    return this.#running.length;
  }

  /** Gives every worker a delta; resolves when all decide by it. */
  async apply(delta: SnapshotDelta): Promise<void> {
    const { epoch, version } = delta;
    const applied = this.#each(
      (message) =>
        message.kind === "applied" && message.version === version && message.epoch === epoch,
    );
    this.#tellAll({ kind: "snapshot", delta });
    await applied;
  }

  async added(pod: CaughtPod): Promise<void> {
    const owner = this.#nextOwner++;
    const localPorts = localPortRange(pod.netns);
    for (const worker of this.#running) {
      const listenerFd = this.#duplicate(pod.listeners[worker.index] ?? -1);
      const address = this.#system.localAddress(listenerFd);
      const listenerPort = typeof address === "number" ? 0 : address.port;
      this.#tell(worker, {
        kind: "pod-added",
        pod: {
          uid: pod.uid,
          ...{ owner, netnsFd: pod.netns, listenerFd, listenerPort, addresses: pod.addresses },
          localPorts,
        },
      });
    }
    // Messages are taken in order: an answer to any later question means that this one is done.
    await this.#ask("endpoints");
  }

  async idle(uid: string, signal: AbortSignal): Promise<void> {
    const idle = this.#each((message) => message.kind === "pod-idle" && message.uid === uid);
    this.#tellAll({ kind: "pod-watched", uid });
    await Promise.race([idle, aborted(signal)]);
  }

  async removed(uid: string): Promise<void> {
    const empty = this.#each((message) => message.kind === "pod-empty" && message.uid === uid);
    this.#tellAll({ kind: "pod-gone", uid });
    await empty;
  }

  /** Tells all to end what is idle and to serve only once; resolves when nothing is carried any more. */
  async drained(): Promise<void> {
    const drained = this.#each((message) => message.kind === "drained");
    this.#tellAll({ kind: "drain" });
    await drained;
  }

  /** Cuts every connection of a drain that is past its deadline; resolves when that is counted. */
  async cut(): Promise<void> {
    const drained = this.#each((message) => message.kind === "drained");
    this.#tellAll({ kind: "cut" });
    await Promise.race([drained, timeout(ANSWER_TIMEOUT_MS)]);
  }

  /** Asks every worker; rows of all. A worker that does not answer in time is left out. */
  async ask(question: Question): Promise<readonly Row[]> {
    return this.#ask(question);
  }

  /** Control is away for long, or back. */
  control(away: boolean): void {
    this.#tellAll({ kind: "control", away });
  }

  /** Ends the threads. */
  async stop(): Promise<void> {
    this.#stopping = true;
    const ended = this.#running.map(
      ({ thread }) => new Promise<void>((resolve) => thread.once("exit", () => resolve())),
    );
    this.#tellAll({ kind: "stop" });
    await Promise.all(ended);
  }

  #startOne(index: number): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const init: WorkerInit = {
      ...this.#inputs.settings,
      index,
      workers: this.#inputs.count,
      port: port2,
      metrics: this.#inputs.metrics[index] as SharedArrayBuffer,
      log: this.#inputs.logs[index],
    };
    const thread = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData: init,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    const worker: Running = { index, thread, port: port1, wakeFd: -1 };
    thread.on("error", (error) => this.#inputs.onDeath(index, asError(error)));
    thread.on("exit", (code) => {
      const at = this.#running.indexOf(worker);
      if (at >= 0) this.#running.splice(at, 1);
      if (!this.#stopping) this.#inputs.onDeath(index, new Error(`thread ended with ${code}`));
    });
    return new Promise((resolve) => {
      port1.on("message", (message: FromWorker) => {
        if (message.kind === "started") {
          worker.wakeFd = message.wakeFd;
          this.#running.push(worker);
          resolve();
        } else this.#heard(worker, message);
      });
    });
  }

  #heard(from: Running, message: FromWorker): void {
    if (message.kind === "bug") this.#inputs.onBug(message.text);
    if (message.kind === "fell-back") this.#inputs.onFallback(message.service);
    if (message.kind === "misdeclared") this.#inputs.onMisdeclared(message.port);
    for (const waiting of [...this.#expected])
      if (waiting.match(from, message)) this.#expected.splice(this.#expected.indexOf(waiting), 1);
  }

  /** Resolves when every worker has said something that matches. */
  #each(match: (message: FromWorker) => boolean): Promise<void> {
    const missing = new Set(this.#running);
    if (missing.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#expected.push({
        match: (from, message) => {
          if (match(message)) missing.delete(from);
          if (missing.size > 0) return false;
          resolve();
          return true;
        },
      });
    });
  }

  async #ask(question: Question): Promise<readonly Row[]> {
    const id = this.#nextQuestion++;
    const rows: Row[] = [];
    const answered = this.#each((message) => {
      if (message.kind !== "answer" || message.id !== id) return false;
      rows.push(...message.rows);
      return true;
    });
    this.#tellAll({ kind: "ask", id, question });
    await Promise.race([answered, timeout(ANSWER_TIMEOUT_MS)]);
    return rows;
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#running) this.#tell(worker, message);
  }

  #tell(worker: Running, message: ToWorker): void {
    worker.port.postMessage(message);
    wakeLoop(this.#system, worker.wakeFd);
  }

  /** The worker closes what it was given; the redirect keeps its own. */
  #duplicate(fd: number): number {
    return libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

function timeout(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref();
  });
}
