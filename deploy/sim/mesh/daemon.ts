/** A long-running process of the mesh (control, an agent): started, logged, started again when it dies. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { getCompileCacheDir } from "node:module";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { createCgroup, removeCgroup } from "../cgroups.ts";
import { DEFAULT_PATH } from "../kubelet/sandbox.ts";

/** First pause before a restart; doubles up to the longest. */
const BACKOFF_MS = 300;
const MAX_BACKOFF_MS = 5_000;
/** A process that ran this long gets its back-off forgiven. */
const FORGIVEN_AFTER_MS = 10_000;
/** After SIGTERM: longer than the mesh's own drain of idle connections, shorter than a user's patience. */
const STOP_MS = 3_000;

/** What to run, and where. */
export interface DaemonSpec {
  readonly name: string;
  readonly cgroup: string;
  /** File of the network namespace it runs in. */
  readonly netns: string;
  readonly command: readonly string[];
  readonly logFile: string;
}

/** How a daemon is. `stopped` = killed by the user, who wants it to stay dead. */
export type DaemonState =
  | { readonly kind: "running"; readonly pid: number; readonly restarts: number }
  | { readonly kind: "restarting"; readonly restarts: number; readonly exit: string }
  | { readonly kind: "stopped"; readonly restarts: number };

/** $0 cgroup, $1 network namespace, then the command. */
const RUN = 'echo 0 > "$0/cgroup.procs" || exit 125; n=$1; shift; exec nsenter --net="$n" -- "$@"';

/** One daemon. */
export class Daemon {
  readonly #spec: DaemonSpec;
  #child: ChildProcess | undefined;
  #restarts = 0;
  #exit = "";
  #wanted = true;
  #loop: Promise<void> = Promise.resolve();
  #wake = new AbortController();

  constructor(spec: DaemonSpec) {
    this.#spec = spec;
  }

  /** Its name: `control`, `agent/node-1`. */
  get name(): string {
    return this.#spec.name;
  }

  /** The file that it writes its log to, through all restarts. */
  get logFile(): string {
    return this.#spec.logFile;
  }

  /** How it is now. */
  get state(): DaemonState {
    const restarts = this.#restarts;
    if (this.#child?.pid !== undefined) return { kind: "running", pid: this.#child.pid, restarts };
    return this.#wanted
      ? { kind: "restarting", restarts, exit: this.#exit }
      : { kind: "stopped", restarts };
  }

  /** Starts it (again). */
  start(): void {
    this.#wanted = true;
    this.#wake = new AbortController();
    this.#loop = this.#loop.then(() => this.#run());
  }

  /** SIGKILL, as a crash would be. It comes back after the back-off unless it is to stay dead. */
  async kill(stayDead: boolean): Promise<void> {
    const child = this.#child;
    if (stayDead) this.#halt();
    if (child === undefined) return;
    const gone = once(child, "exit").catch(() => undefined);
    child.kill("SIGKILL");
    await gone;
  }

  /** SIGTERM, a while for its own good-byes, then SIGKILL. */
  async stop(): Promise<void> {
    this.#halt();
    const child = this.#child;
    if (child !== undefined) {
      const gone = once(child, "exit").then(() => undefined);
      child.kill("SIGTERM");
      await Promise.race([gone, sleep(STOP_MS, undefined, { ref: false })]);
      child.kill("SIGKILL");
    }
    await this.#loop;
    await removeCgroup(this.#spec.cgroup);
  }

  #halt(): void {
    this.#wanted = false;
    this.#wake.abort();
  }

  async #run(): Promise<void> {
    let backoffMs = BACKOFF_MS;
    while (this.#wanted) {
      const startedMs = Date.now();
      await this.#runOnce();
      if (!this.#wanted) return;
      if (Date.now() - startedMs > FORGIVEN_AFTER_MS) backoffMs = BACKOFF_MS;
      await sleep(backoffMs, undefined, { signal: this.#wake.signal }).catch(() => undefined);
      backoffMs = Math.min(backoffMs * 2, MAX_BACKOFF_MS);
      if (this.#wanted) this.#restarts++;
    }
  }

  async #runOnce(): Promise<void> {
    createCgroup(this.#spec.cgroup);
    const log = openSync(this.#spec.logFile, "a");
    const args = ["-c", RUN, this.#spec.cgroup, this.#spec.netns, ...this.#spec.command];
    const child = spawn("/bin/sh", args, {
      stdio: ["ignore", log, log],
      env: { PATH: DEFAULT_PATH, HOME: "/root", ...compileCache() },
    });
    closeSync(log);
    this.#child = child;
    try {
      const [code, signal] = await once(child, "exit");
      this.#exit = signal === null ? `exit code ${code}` : String(signal);
    } catch (error) {
      // It could not be started at all, for example out of processes: tried again after the pause.
      this.#exit = error instanceof Error ? error.message : String(error);
    } finally {
      this.#child = undefined;
    }
  }
}

/** Without the cache a process carries the type stripper: 50 MB that an image with stripped files never has. */
function compileCache(): NodeJS.ProcessEnv {
  // Node tells the folder of its own version, below the one that it was given.
  const folder = getCompileCacheDir();
  return folder === undefined ? {} : { NODE_COMPILE_CACHE: dirname(folder) };
}
