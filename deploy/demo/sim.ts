/** The demo uses the simulator as a user would: through `nodemesh sim`. */

import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fetchInNetns } from "../sim/mesh/netns-fetch.ts";
import { type LoadReport, merge } from "./load-report.ts";

const CLI: string = fileURLToPath(new URL("../../bin/nodemesh", import.meta.url));
const LOAD: string = fileURLToPath(new URL("./load-main.ts", import.meta.url));
const OUTPUT_BYTES = 16 << 20;
const EXIT_PATIENCE_MS = 5_000;

/** Name of the demo's simulation: it may run beside others. */
export const SIM_NAME = "demo";

/** What the demo reads of `sim status -o json`. */
export interface SimStatus {
  /** Where its Prometheus is; absent when it has none. */
  readonly prometheus?: string;
  readonly nodes: readonly {
    readonly name: string;
    readonly addresses: readonly string[];
    readonly netns: string;
    readonly metrics: string;
  }[];
  readonly pods: readonly {
    readonly name: string;
    readonly node: string;
    readonly ready: boolean;
    readonly enrolled: boolean;
    readonly path: string;
  }[];
}

/** Runs one verb and gives what it printed; throws with its words when it fails. */
export async function sim(...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(CLI, ["sim", "--name", SIM_NAME, ...args], {
      maxBuffer: OUTPUT_BYTES,
    });
    return stdout;
  } catch (error) {
    const words = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : "";
    throw new Error(`nodemesh sim ${args.join(" ")}: ${words || String(error)}`);
  }
}

/** The state now. */
export async function status(): Promise<SimStatus> {
  return JSON.parse(await sim("status", "-o", "json")) as SimStatus;
}

/** The metrics page of a node's agent; empty when it does not answer. */
export async function metricsOf(node: SimStatus["nodes"][number]): Promise<string> {
  const { hostname, port, pathname } = new URL(node.metrics);
  const ip = hostname.replace(/^\[|\]$/g, "");
  const answer = await fetchInNetns({ netns: node.netns, ip, port: Number(port), path: pathname });
  return answer?.body ?? "";
}

/** Sum of a metric's samples whose line has all of `labels` (as `name="value"`). */
export function sumOf(page: string, metric: string, ...labels: readonly string[]): number {
  return page
    .split("\n")
    .filter((line) => line.startsWith(metric) && /^[{ ]/.test(line.slice(metric.length)))
    .filter((line) => labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
}

/** The load generator, running in the pod `load`. */
export class Load implements AsyncDisposable {
  readonly #child: ChildProcess;
  #reports: LoadReport[] = [];
  #heard: () => void = () => undefined;

  constructor(url: string, rate: number) {
    const command = [process.execPath, LOAD, url, String(rate)];
    this.#child = spawn(CLI, ["sim", "--name", SIM_NAME, "exec", "pod/load", "--", ...command], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (this.#child.stdout === null) throw new Error("the load generator has no output");
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      this.#reports.push(JSON.parse(line) as LoadReport);
      this.#heard();
    });
  }

  /** Forgets what was reported so far, but for what is in the current interval. */
  forget(): void {
    this.#reports = [];
  }

  /** Listens until `enough` says so or the time is over; everything since the last forget() or listen(). */
  async listen(timeoutMs: number, enough: (sum: LoadReport) => boolean): Promise<LoadReport> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const sum = merge(this.#reports);
      if (enough(sum) || Date.now() > deadline) {
        this.#reports = [];
        return sum;
      }
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#heard = resolve;
      const timer = setTimeout(resolve, Math.max(0, deadline - Date.now()) + 1);
      await promise;
      clearTimeout(timer);
    }
  }

  /** Listens for so long. */
  async during(milliseconds: number): Promise<LoadReport> {
    return this.listen(milliseconds, () => false);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin?.end();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), EXIT_PATIENCE_MS);
    await ended;
    clearTimeout(timer);
  }
}
