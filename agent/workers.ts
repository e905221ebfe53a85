/**
 * Main's side of the data workers: starts them, tells them, waits for their answers. A worker that dies takes
 * its sockets with it only when the process ends, so a dead worker ends the agent: the kernel closes
 * everything at once, `mesh/fail` holds, and the supervisor starts a fresh agent.
 */

import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { SnapshotDelta } from "#model/snapshot.ts";
import { lastErrno, libc } from "./kernel/ffi.ts";
import { localPortRange, netnsCookie } from "./kernel/netns.ts";
import { Sockets } from "./kernel/sockets.ts";
import type { Command, News, Question, Row, WorkerInit } from "./messages.ts";
import { createPulse } from "./pulse.ts";
import type { CaughtPod, PodUsers } from "./redirect/pod-users.ts";
import { type Fulfilled, WorkerLink } from "./worker-link.ts";

/** fcntl(2): duplicate a descriptor, close-on-exec. */
const F_DUPFD_CLOEXEC = 1030;

/** What is shared with each worker. */
type Shared = "metrics" | "log" | "spans" | "pulse";

/** What the workers are given, beside their own port and counters. */
export interface WorkersInputs {
  readonly count: number;
  readonly settings: Omit<WorkerInit, "index" | "workers" | "port" | Shared>;
  /** One block of counters, one ring of access-log lines and, if any are wanted, one of spans per worker. */
  readonly metrics: readonly SharedArrayBuffer[];
  readonly logs: readonly SharedArrayBuffer[];
  readonly spans?: readonly SharedArrayBuffer[] | undefined;
  /** A handler threw: the text says what. */
  readonly onBug: (text: string) => void;
  /** Something else than HTTP is spoken on a port that declares it; again every ten minutes while it lasts. */
  readonly onMisdeclared: (port: MisdeclaredPort) => void;
  /** Control is away and no known endpoint of the Service answers; again every minute while it lasts. */
  readonly onFallback: (service: string) => void;
  /** A worker's thread ended, or it does not answer any more: the agent has to end. */
  readonly onDeath: (index: number, error: Error) => void;
}

/** The data workers of one agent. */
export class Workers implements PodUsers {
  readonly #inputs: WorkersInputs;
  readonly #system: Sockets = new Sockets();
  readonly #running: Set<WorkerLink> = new Set();
  /** Aborted when a drain is not waited for any more. */
  readonly #drain: AbortController = new AbortController();
  /** What they and main know of each other. */
  readonly pulse: SharedArrayBuffer;
  #nextOwner = 0;

  constructor(inputs: WorkersInputs) {
    this.#inputs = inputs;
    this.pulse = createPulse(inputs.count);
  }

  /** Starts the threads; resolves when all are turning, rejects when one can't. */
  async start(): Promise<void> {
    for (let index = 0; index < this.#inputs.count; index++) this.#running.add(this.#link(index));
    await Promise.all(Array.from(this.#running, (worker) => worker.started()));
  }

  /** Number of threads running. */
  get count(): number {
    return this.#running.size;
  }

  /** Gives every worker a delta; resolves when all decide by it. Rejects when one can't: give all of them a full one then. */
  async apply(delta: SnapshotDelta): Promise<void> {
    await this.#all({ kind: "apply", delta });
  }

  async added(pod: CaughtPod): Promise<void> {
    const init = {
      ...{ uid: pod.uid, owner: this.#nextOwner++, addresses: pod.addresses },
      localPorts: localPortRange(pod.netns),
      netnsCookie: pod.netns < 0 ? 0n : netnsCookie(pod.netns),
    };
    await this.#handOver((worker, duplicate) => {
      const netnsFd = pod.netns < 0 ? -1 : duplicate(pod.netns);
      const listenerFd = duplicate(pod.listeners[worker.index] ?? -1);
      return { kind: "serve", pod: { ...init, netnsFd, listenerFd } };
    });
  }

  async moved({ uid, listeners }: Pick<CaughtPod, "uid" | "listeners">): Promise<void> {
    await this.#handOver(({ index }, duplicate) => {
      return { kind: "move", uid, listenerFd: duplicate(listeners[index] ?? -1) };
    });
  }

  async idle(uid: string, signal: AbortSignal): Promise<void> {
    await this.#all({ kind: "watch", uid }, signal);
  }

  async removed(uid: string): Promise<void> {
    await this.#all({ kind: "forget", uid });
  }

  /** Tells all to end what is idle and to serve only once; resolves when nothing is carried any more, or with cut(). */
  async drained(): Promise<void> {
    await this.#all({ kind: "drain" }, this.#drain.signal);
  }

  /** Cuts every connection of a drain that is past its deadline; resolves when that is counted. Rejects when something is left. */
  async cut(): Promise<void> {
    const cut = this.#all({ kind: "cut" });
    this.#drain.abort();
    await cut;
  }

  /** Asks every worker; rows of all. A worker that does not answer in time is left out. */
  async ask(question: Question): Promise<readonly Row[]> {
    const answers = await Promise.allSettled(this.#give({ kind: "ask", question }));
    return answers.flatMap((answer) =>
      answer.status === "fulfilled" && answer.value.kind === "rows" ? answer.value.rows : [],
    );
  }

  /** Control is away for long, or back. */
  control(away: boolean): void {
    // A worker that does not take it is dead, which ends the agent.
    this.#all({ kind: "control", away }).catch(() => {});
  }

  /** Ends the threads. */
  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#running, (worker) => worker.stop()));
    this.#running.clear();
  }

  #link(index: number): WorkerLink {
    const { settings, count, metrics, logs, spans, onDeath } = this.#inputs;
    const init = {
      ...settings,
      ...{ index, workers: count, pulse: this.pulse },
      log: logs[index] as SharedArrayBuffer,
      spans: spans?.[index],
      metrics: metrics[index] as SharedArrayBuffer,
    };
    const link: WorkerLink = new WorkerLink(init, {
      onNews: (news) => this.#heard(news),
      onDeath: (error) => {
        this.#running.delete(link);
        onDeath(index, error);
      },
    });
    return link;
  }

  #heard(news: News): void {
    const { onBug, onMisdeclared, onFallback } = this.#inputs;
    switch (news.kind) {
      case "bug":
        onBug(news.text);
        return;
      case "misdeclared":
        onMisdeclared(news.port);
        return;
      case "fell-back":
        onFallback(news.service);
    }
  }

  /** Resolves when every worker has answered; rejects with the first that failed, when all others are done. */
  async #all(command: Command, signal?: AbortSignal): Promise<void> {
    await allOf(this.#give(command, signal));
  }

  #give(command: Command, signal?: AbortSignal): readonly Promise<Fulfilled>[] {
    return Array.from(this.#running, (worker) => worker.give(command, signal));
  }

  /** Gives every worker its command with duplicates of descriptors: it closes those, the redirect keeps its own. */
  async #handOver(
    commandFor: (worker: WorkerLink, duplicate: (fd: number) => number) => Command,
  ): Promise<void> {
    using undone = new DisposableStack();
    const duplicate = (fd: number): number => {
      const copy = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
      // -1 would be the agent's own namespace.
      if (copy < 0) throw new Error(`no descriptor for a worker: errno ${lastErrno()}`);
      undone.defer(() => this.#system.close(copy));
      return copy;
    };
    const given = Array.from(this.#running, (worker) => {
      return { worker, command: commandFor(worker, duplicate) };
    });
    // From here on they are the workers'.
    undone.move();
    await allOf(given.map(({ worker, command }) => worker.give(command)));
  }
}

/** Half of a command's work must not go on behind the back of who was told that it failed. */
async function allOf(answers: readonly Promise<Fulfilled>[]): Promise<void> {
  for (const answer of await Promise.allSettled(answers))
    if (answer.status === "rejected") throw answer.reason;
}
