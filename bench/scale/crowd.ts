/** The bench's side of the crowd: starts it, waits for it, keeps what it reports. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { until } from "../harness/process.ts";
import { type Arrival, type Event, lagsOf } from "./lag.ts";
import type { CrowdOrder, CrowdReport, Traffic } from "./messages.ts";

const GATHER_MS = 300_000;
const ANSWER_MS = 30_000;
const END_MS = 5000;
/** Long: how late a change is shall be told, not that it is too late. */
const SETTLE_MS = 120_000;
const MAIN = new URL("./crowd/main.ts", import.meta.url);

/** 1,000 agents in a process of their own. Dispose to end it. */
export class Crowd implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #arrivals = new Map<number, Arrival>();
  #gathered = false;
  #traffic: Traffic | undefined;
  /** The first thing that went wrong. */
  #problem: string | undefined;

  /** `nodeFlags` are for Node itself. */
  constructor(order: CrowdOrder, nodeFlags: readonly string[]) {
    this.#process = fork(MAIN, {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: [...process.execArgv, ...nodeFlags],
    });
    this.#process.on("message", (message: CrowdReport) => this.#take(message));
    this.#process.on("exit", (code) => {
      this.#problem ??= `the agents' process ended with ${code}`;
    });
    this.#process.send(order);
  }

  /** Its process id. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Resolves when every agent has acknowledged its first message. */
  async gathered(): Promise<void> {
    await this.#until("agents that have acknowledged the world", GATHER_MS, () => this.#gathered);
  }

  /** Resolves when all these events have settled; rejects when that takes too long. */
  async settled(events: readonly Event[]): Promise<void> {
    let left = events;
    await this.#until("acknowledgements of all changes", SETTLE_MS, () => {
      const lags = lagsOf(left, this.arrivals());
      left = left.filter((_, index) => lags[index] === undefined);
      return left.length === 0;
    });
  }

  /** Versions in the order in which they were seen. */
  arrivals(): readonly Arrival[] {
    return [...this.#arrivals.values()];
  }

  /** What all agents have got so far. */
  async traffic(): Promise<Traffic> {
    this.#traffic = undefined;
    this.#process.send("traffic");
    await this.#until("word of the traffic", ANSWER_MS, () => this.#traffic !== undefined);
    return this.#traffic ?? { messages: 0, payloadBytes: 0, wireBytes: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#process, "exit");
    // It ends by itself then, and writes its profile if it was told to keep one.
    this.#process.disconnect();
    const late = setTimeout(() => this.#process.kill("SIGKILL"), END_MS);
    await ended;
    clearTimeout(late);
  }

  #until(what: string, timeoutMs: number, probe: () => boolean): Promise<void> {
    return until(
      () => what,
      timeoutMs,
      () => {
        if (this.#problem !== undefined) throw new Error(this.#problem);
        return probe();
      },
    );
  }

  #take(message: CrowdReport): void {
    switch (message.kind) {
      case "gathered":
        this.#gathered = true;
        break;
      case "traffic":
        this.#traffic = message.traffic;
        break;
      case "failed":
        this.#problem ??= message.problem;
        break;
      case "seen": {
        const { version, services, at: seenAt } = message;
        this.#arrivals.set(version, { version, services, seenAt, settledAt: undefined });
        break;
      }
      case "settled": {
        const arrival = this.#arrivals.get(message.version);
        if (arrival !== undefined)
          this.#arrivals.set(message.version, { ...arrival, settledAt: message.at });
        break;
      }
    }
  }
}
