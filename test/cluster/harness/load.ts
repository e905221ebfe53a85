/**
 * Load from a pod of its own, which goes on whatever happens to the cluster's programs: it says once a second on its
 * standard output what came of its requests, and the kubelet keeps that for whoever asks later.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, type KubeObject, type TestCluster } from "./cluster.ts";
import { pod } from "./pods.ts";

/** What a load's pod does. */
export interface LoadWish {
  readonly namespace: string;
  readonly name: string;
  readonly url: string;
  /** Requests a second. */
  readonly rate: number;
  /** `fresh`: a connection for each request; `kept`: connections live on between requests. */
  readonly connections: "fresh" | "kept";
  readonly annotations?: Readonly<Record<string, string>>;
  readonly node?: string;
}

/** One second of it. */
export interface LoadSecond {
  /** When it ended, milliseconds since 1970. */
  readonly at: number;
  readonly ok: number;
  readonly failed: number;
  /** Why requests failed, with how many. */
  readonly errors: Readonly<Record<string, number>>;
  /** The slowest request that succeeded, in milliseconds. */
  readonly slowestMs: number;
}

/** The sum of some seconds. */
export interface LoadSum extends Omit<LoadSecond, "at"> {
  readonly seconds: number;
  /** The longest time without a success, in whole seconds. */
  readonly silence: number;
  /** See timeline(). */
  readonly timeline: string;
}

const SCRIPT = readFileSync(join(import.meta.dirname, "load-main.ts"), "utf8");

/** A running load. Disposal deletes its pod. */
export class Load {
  readonly #cluster: TestCluster;
  readonly #wish: LoadWish;

  private constructor(cluster: TestCluster, wish: LoadWish) {
    this.#cluster = cluster;
    this.#wish = wish;
  }

  /** Starts a load and waits until its requests succeed. */
  static async start(cluster: TestCluster, wish: LoadWish): Promise<Load> {
    const load = new Load(cluster, wish);
    await cluster.apply([loadPod(wish)]);
    await eventually(`load ${wish.name} succeeds`, async () => {
      const last = (await load.seconds()).at(-1);
      return last !== undefined && last.ok > 0;
    });
    return load;
  }

  /** All seconds until now. */
  async seconds(): Promise<readonly LoadSecond[]> {
    const { namespace, name } = this.#wish;
    const text = await this.#cluster.kubectl("-n", namespace, "logs", name);
    return text
      .trim()
      .split("\n")
      .filter((line) => line.startsWith("{"))
      .map((line): LoadSecond => JSON.parse(line));
  }

  /** The sum of what came after a moment (milliseconds since 1970), up to another. */
  async since(from: number, to: number = Number.POSITIVE_INFINITY): Promise<LoadSum> {
    return sumOf((await this.seconds()).filter(({ at }) => at > from && at <= to));
  }

  /** Deletes the pod. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { namespace, name } = this.#wish;
    const args = ["delete", "pod", name, "--grace-period=1", "--ignore-not-found"];
    await this.#cluster.kubectl("-n", namespace, ...args);
  }
}

function loadPod(wish: LoadWish): KubeObject {
  const { url, rate, connections } = wish;
  return pod({
    ...wish,
    labels: { app: wish.name },
    spec: { restartPolicy: "Never" },
    container: {
      command: ["/nodemesh/node", "--input-type=module-typescript", "-e", SCRIPT],
      args: ["--", url, String(rate), connections],
      readinessProbe: undefined,
      ports: undefined,
    },
  });
}

/** Each second as `ok/failed`, to see when things went wrong. */
function timeline(seconds: readonly LoadSecond[]): string {
  return seconds.map(({ ok, failed }) => (failed === 0 ? `${ok}` : `${ok}/${failed}`)).join(" ");
}

/** Adds seconds up. */
function sumOf(seconds: readonly LoadSecond[]): LoadSum {
  const errors: Record<string, number> = {};
  let [ok, failed, slowestMs, silence, silent] = [0, 0, 0, 0, 0];
  for (const second of seconds) {
    ok += second.ok;
    failed += second.failed;
    slowestMs = Math.max(slowestMs, second.slowestMs);
    silent = second.ok === 0 ? silent + 1 : 0;
    silence = Math.max(silence, silent);
    for (const [why, count] of Object.entries(second.errors))
      errors[why] = (errors[why] ?? 0) + count;
  }
  return {
    ok,
    failed,
    errors,
    slowestMs,
    silence,
    seconds: seconds.length,
    timeline: timeline(seconds),
  };
}
