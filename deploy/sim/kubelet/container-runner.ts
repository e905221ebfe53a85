/** One container's process: started, watched, probed, restarted, ended. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Probe } from "../../../control/k8s/api/pod.ts";
import { createCgroup, removeCgroup } from "../cgroups.ts";
import type { Invocation } from "./environment.ts";
import { LogBuffer } from "./log-buffer.ts";
import { askProbe, defaultReadiness, type ProbeTarget, spawnInSandbox } from "./probe.ts";
import { sandboxed } from "./sandbox.ts";

/** First pause before a restart; doubles with each up to the longest. Kubernetes starts at 10 s: too dull for a laptop. */
const RESTART_BACKOFF_MS = 500;
/** The longest pause before a restart. */
const MAX_BACKOFF_MS = 30_000;
/** A container that ran this long gets its back-off forgiven. */
const FORGIVEN_AFTER_MS = 60_000;
/** While a container has never been ready or started, it is asked this often: fast start without hammering. */
const STARTING_PERIOD_MS = 50;

/** Exit code of a container that could not be started, as container runtimes have it. */
const CANNOT_START = 128;

/** Where a container is in its life. */
export type ContainerState =
  | { readonly kind: "waiting"; readonly reason: string }
  | { readonly kind: "running"; readonly ready: boolean; readonly pid: number }
  | { readonly kind: "ended"; readonly exitCode: number };

/** What a container needs. */
export interface ContainerSetup {
  readonly target: ProbeTarget;
  readonly invocation: Invocation;
  readonly restartPolicy: string;
  /** Between the SIGTERM and the SIGKILL of a container that its probes gave up. */
  readonly graceMs: number;
  readonly onChange: () => void;
}

/** Runs one container until stop(). */
export class ContainerRunner {
  readonly #setup: ContainerSetup;
  readonly #stopping = new AbortController();
  readonly log: LogBuffer = new LogBuffer();
  #state: ContainerState = { kind: "waiting", reason: "ContainerCreating" };
  #child: ChildProcess | undefined;
  #restarts = 0;
  #lastExit: number | undefined;
  #done: Promise<void> | undefined;

  constructor(setup: ContainerSetup) {
    this.#setup = setup;
  }

  /** Where it is now. */
  get state(): ContainerState {
    return this.#state;
  }

  /** How often its process was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  /** Exit code of its last process that ended. */
  get lastExit(): number | undefined {
    return this.#lastExit;
  }

  /** Whether its process runs and its readiness probe is content. */
  get isReady(): boolean {
    return this.#state.kind === "running" && this.#state.ready;
  }

  /** The container's name. */
  get name(): string {
    return this.#setup.target.container.name;
  }

  /** Starts the process, and again when it ends, as the restart policy says. */
  start(): void {
    this.#done = this.#run().catch((error: Error) => {
      // The machine refused: no process, no cgroup. It must cost this container only.
      this.log.append(Buffer.from(`nodemesh sim: ${error.message}\n`));
      this.#lastExit = CANNOT_START;
      this.#set({ kind: "ended", exitCode: CANNOT_START });
    });
  }

  /** Waits until the process has ended for good (init containers, or after stop). */
  async ended(): Promise<number> {
    await this.#done;
    return this.#state.kind === "ended" ? this.#state.exitCode : 1;
  }

  /** SIGKILL, as the kernel's out-of-memory killer would. */
  crash(): void {
    this.#child?.kill("SIGKILL");
  }

  /** preStop, SIGTERM, wait at most `graceMs`, SIGKILL to all that is left. Resolves when nothing is left. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const deadline = AbortSignal.timeout(graceMs);
    await this.#preStop(deadline);
    this.#child?.kill("SIGTERM");
    await Promise.race([this.#done, abortion(deadline)]);
    await removeCgroup(this.#setup.target.sandbox.cgroup);
    await this.#done;
  }

  async #run(): Promise<void> {
    let backoffMs = RESTART_BACKOFF_MS;
    for (;;) {
      const startedMs = Date.now();
      const exitCode = await this.#runOnce();
      this.#lastExit = exitCode;
      this.#set({ kind: "ended", exitCode });
      if (this.#stopping.signal.aborted || !this.#mayRestart(exitCode)) return;
      await removeCgroup(this.#setup.target.sandbox.cgroup);
      if (Date.now() - startedMs > FORGIVEN_AFTER_MS) backoffMs = RESTART_BACKOFF_MS;
      this.#set({ kind: "waiting", reason: "CrashLoopBackOff" });
      await sleep(backoffMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      if (this.#stopping.signal.aborted) return;
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
      this.#restarts++;
    }
  }

  #mayRestart(exitCode: number): boolean {
    const policy = this.#setup.restartPolicy;
    return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
  }

  /** One process from start to end; returns its exit code (128 + signal when killed, as a shell says it). */
  async #runOnce(): Promise<number> {
    const { target, invocation } = this.#setup;
    createCgroup(target.sandbox.cgroup);
    const [program = "", ...args] = sandboxed(target.sandbox, invocation.command);
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...invocation.env },
    });
    this.#child = child;
    child.stdout.on("data", (piece: Buffer) => this.log.append(piece));
    child.stderr.on("data", (piece: Buffer) => this.log.append(piece));
    const exited = once(child, "exit");
    this.#set({
      kind: "running",
      ready: this.#readinessProbe() === undefined && target.container.startupProbe === undefined,
      pid: child.pid ?? 0,
    });
    const probing = new AbortController();
    void this.#probe(probing.signal);
    const [code, signal] = await exited;
    probing.abort();
    this.#child = undefined;
    return signal === null ? code : 128 + constants.signals[signal as NodeJS.Signals];
  }

  /** The others wait for the start-up probe to be well once. */
  async #probe(signal: AbortSignal): Promise<void> {
    const { startupProbe } = this.#setup.target.container;
    if (startupProbe !== undefined && !(await this.#started(startupProbe, signal))) return;
    if (this.#readinessProbe() === undefined) this.#setReady(true);
    await Promise.all([this.#watchReadiness(signal), this.#watchLiveness(signal)]);
  }

  async #started(probe: Probe, signal: AbortSignal): Promise<boolean> {
    const started = new AbortController();
    await this.#watch(probe, AbortSignal.any([signal, started.signal]), {
      startingPeriodMs: Math.min(STARTING_PERIOD_MS, probe.periodSeconds * 1_000),
      // Asked more often than it says, so as many more failures are allowed.
      failures: Math.ceil(
        (probe.failureThreshold * probe.periodSeconds * 1_000) / STARTING_PERIOD_MS,
      ),
      report: (well) => (well ? started.abort() : this.#giveUp()),
    });
    return started.signal.aborted;
  }

  async #watchReadiness(signal: AbortSignal): Promise<void> {
    const probe = this.#readinessProbe();
    if (probe === undefined) return;
    await this.#watch(probe, signal, {
      startingPeriodMs: STARTING_PERIOD_MS,
      failures: probe.failureThreshold,
      report: (well) => this.#setReady(well),
    });
  }

  async #watchLiveness(signal: AbortSignal): Promise<void> {
    const probe = this.#setup.target.container.livenessProbe;
    if (probe === undefined) return;
    await this.#watch(probe, signal, {
      startingPeriodMs: probe.periodSeconds * 1_000,
      failures: probe.failureThreshold,
      report: (well) => {
        if (!well) this.#giveUp();
      },
    });
  }

  /** A container that is not well is told to end, and started again by its restart policy. */
  #giveUp(): void {
    const child = this.#child;
    if (child === undefined || this.#stopping.signal.aborted) return;
    child.kill("SIGTERM");
    setTimeout(() => child.kill("SIGKILL"), this.#setup.graceMs).unref();
  }

  /** Asks a probe until aborted and reports each change of opinion, after the thresholds. */
  async #watch(probe: Probe, signal: AbortSignal, how: Watching): Promise<void> {
    const seen = { well: 0, ill: 0, everWell: false };
    if (!(await pause(probe.initialDelaySeconds * 1_000, signal))) return;
    do {
      const well = await askProbe(probe, this.#setup.target);
      if (signal.aborted) return;
      seen.well = well ? seen.well + 1 : 0;
      seen.ill = well ? 0 : seen.ill + 1;
      seen.everWell ||= well;
      if (seen.well === probe.successThreshold) how.report(true);
      if (seen.ill === how.failures) how.report(false);
    } while (
      await pause(seen.everWell ? probe.periodSeconds * 1_000 : how.startingPeriodMs, signal)
    );
  }

  #readinessProbe(): Probe | undefined {
    const { container } = this.#setup.target;
    return container.readinessProbe ?? defaultReadiness(container);
  }

  #setReady(ready: boolean): void {
    if (this.#state.kind === "running" && this.#state.ready !== ready)
      this.#set({ ...this.#state, ready });
  }

  #set(state: ContainerState): void {
    this.#state = state;
    this.#setup.onChange();
  }

  async #preStop(deadline: AbortSignal): Promise<void> {
    const hook = this.#setup.target.container.lifecycle?.preStop;
    if (hook === undefined || this.#child === undefined) return;
    if (hook.sleep) await pause(hook.sleep.seconds * 1_000, deadline);
    if (!hook.exec) return;
    const child = spawnInSandbox(
      { sandbox: this.#setup.target.sandbox, env: this.#setup.invocation.env },
      hook.exec.command,
    );
    // A hook that can't be run keeps nobody alive.
    const ended = once(child, "exit").catch(() => undefined);
    await Promise.race([ended, abortion(deadline)]);
  }
}

/** How a probe is watched. */
interface Watching {
  /** Pause between questions while it was never well. */
  readonly startingPeriodMs: number;
  /** So many failures in a row are one opinion. */
  readonly failures: number;
  readonly report: (well: boolean) => void;
}

/** Sleeps; false when aborted meanwhile. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return sleep(ms, true, { signal }).catch(() => false);
}

function abortion(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
