/**
 * Load from a pod of its own, which goes on whatever happens to the cluster's programs: it says once a second on its
 * standard output what came of its requests, and the kubelet keeps that for whoever asks later.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { eventually, type KubeObject, type TestCluster } from "./cluster.ts";
import { type LoadSecond, type LoadSum, sumOf } from "./load-sum.ts";
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

/** Longer than a request may take: TIMEOUT_MS of load-main.ts, and the line that tells of it. */
const SETTLE_MS = 6_500;

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

  /**
   * The sum of what came after a moment (milliseconds since 1970), up to another or until now. Throws when the load did
   * not go on all that time, and while its node's kubelet can't be asked.
   */
  async since(from: number, to: number = Date.now()): Promise<LoadSum> {
    return sumOf(await this.seconds(), { from, to, rate: this.#wish.rate });
  }

  /** The same up to now, once it is known of each request until now whether it has failed. */
  async settledSince(from: number): Promise<LoadSum> {
    await pause(SETTLE_MS);
    return this.since(from);
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
