/** A Prometheus (Debian's, or another), run where a test says, scraping what it says. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { fetchInNetns } from "../../deploy/sim/mesh/netns-fetch.ts";
import { until } from "./until.ts";

/** Where it runs and what it looks at. */
export interface PrometheusInit {
  /** The program; Debian's when absent. */
  readonly program?: string;
  /** File of the network namespace. */
  readonly netns: string;
  /** The words that run a command there. */
  readonly command: (...words: readonly string[]) => readonly [string, ...string[]];
  /** `scrape_configs`: what is scraped. */
  readonly jobs: readonly unknown[];
  /** How many targets they have at least: discovery may find more. */
  readonly targets: number;
  /** Files of rules. */
  readonly rules?: readonly string[];
  /** Where it answers, on 127.0.0.1; 9090 if not said. */
  readonly port?: number;
}

/** One series of an answer. */
export interface Sampled {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All samples of one series within a range, the oldest first. */
export interface History {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

/** Every second: tests do not wait for the usual 30. */
const SCRAPE = "1s";
const ADDRESS = "127.0.0.1";
const USUAL_PORT = 9090;

interface Running {
  readonly netns: string;
  readonly port: number;
  readonly directory: string;
  readonly child: ChildProcess;
}

/** Jobs with their targets written down: `address:port` by job. */
export function listed(
  targets: Readonly<Record<string, readonly string[]>>,
): Pick<PrometheusInit, "jobs" | "targets"> {
  const jobs = Object.entries(targets).map(([job_name, of]) => ({
    job_name,
    static_configs: [{ targets: of }],
  }));
  return { jobs, targets: Object.values(targets).flat().length };
}

/** A running one. Dispose of it at the end. */
export class Prometheus implements AsyncDisposable {
  readonly #netns: string;
  readonly #port: number;
  readonly #directory: string;
  readonly #child: ChildProcess;
  #said = "";

  /** Starts it and waits until it answers and has scraped every target. */
  static async start(init: PrometheusInit): Promise<Prometheus> {
    const directory = await mkdtemp(join(tmpdir(), "nodemesh-prometheus-"));
    const config = {
      global: { scrape_interval: SCRAPE, scrape_timeout: SCRAPE, evaluation_interval: SCRAPE },
      rule_files: init.rules ?? [],
      scrape_configs: init.jobs,
    };
    const port = init.port ?? USUAL_PORT;
    const file = join(directory, "prometheus.yml");
    await writeFile(file, stringify(config));
    const [program, ...words] = init.command(
      init.program ?? "prometheus",
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(directory, "data")}`,
      `--web.listen-address=${ADDRESS}:${port}`,
    );
    const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
    const started = new Prometheus({ netns: init.netns, port, directory, child });
    try {
      await until("Prometheus has scraped all", () => started.#scraped(init.targets), 20_000);
      return started;
    } catch (error) {
      await started[Symbol.asyncDispose]();
      throw new Error(`Prometheus does not start: ${started.#said.slice(-2000)}`, { cause: error });
    }
  }

  private constructor({ netns, port, directory, child }: Running) {
    this.#netns = netns;
    this.#port = port;
    this.#directory = directory;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.on("data", (bytes: Buffer) => {
        this.#said = `${this.#said}${bytes}`.slice(-10_000);
      });
  }

  /** Where it answers, inside its network namespace. */
  get url(): string {
    return `http://${ADDRESS}:${this.#port}`;
  }

  /**
   * The series of an instant query, now or at a moment that was (milliseconds since 1970). Throws with Prometheus' words
   * when it does not understand.
   */
  async query(expr: string, atMs?: number): Promise<readonly Sampled[]> {
    const time = atMs === undefined ? {} : { time: String(atMs / 1000) };
    const { result } = (await this.#ask("query", { query: expr, ...time })) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    return result.map(({ metric, value: [, value] }) => ({ metric, value: Number(value) }));
  }

  /** The samples of a range, for example of `up[1m]`. */
  async histories(range: string): Promise<readonly History[]> {
    const { result } = (await this.#ask("query", { query: range })) as {
      result: { metric: Record<string, string>; values: [number, string][] }[];
    };
    return result.map(({ metric, values }) => ({
      metric,
      values: values.map(([, value]) => Number(value)),
    }));
  }

  /** What it was told of a metric: its type and unit. */
  async metadata(
    metric: string,
  ): Promise<readonly { readonly type: string; readonly unit: string }[]> {
    return (await this.#ask("targets/metadata", { metric })) as { type: string; unit: string }[];
  }

  /** The values of a label over the series that a selector selects. */
  async values(selector: string, label: string): Promise<readonly string[]> {
    return (await this.#ask(`label/${label}/values`, { "match[]": selector })) as string[];
  }

  async #scraped(targets: number): Promise<boolean> {
    if (this.#child.exitCode !== null) throw new Error("it has ended");
    const up = await this.query("up == 1").catch(() => []);
    return up.length >= targets;
  }

  async #ask(what: string, words: Readonly<Record<string, string>>): Promise<unknown> {
    const path = `/api/v1/${what}?${new URLSearchParams(words)}`;
    const answer = await fetchInNetns({
      ...{ netns: this.#netns, ip: ADDRESS, port: this.#port, path },
    });
    if (answer === undefined) throw new Error(`Prometheus does not answer: ${this.#said}`);
    const said = JSON.parse(answer.body) as { status: string; data: unknown; error?: string };
    if (said.status !== "success") throw new Error(`${said.error}: ${JSON.stringify(words)}`);
    return said.data;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) {
      const gone = once(this.#child, "close");
      this.#child.kill("SIGTERM");
      await gone;
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}
