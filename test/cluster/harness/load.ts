/**
 * Load from a pod of its own, which goes on whatever happens to the cluster's programs: it says once a second on its
 * standard output what came of its requests, and the kubelet keeps that for whoever asks later.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually, type KubeObject, type TestCluster } from "./cluster.ts";
import { type LoadSecond, type LoadSum, settled, sumOf } from "./load-sum.ts";
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

/** Longer than a request may take: TIMEOUT_MS of load-main.ts, a connection to wait for, and the line that tells of it. */
const SETTLE_DEADLINE_MS = 15_000;

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
    return secondsIn(await this.#cluster.log(namespace, name));
  }

  /**
   * The sum of what came after a moment (milliseconds since 1970), up to another or until now. Throws when the load did
   * not go on all that time, and while its node's kubelet can't be asked.
   */
  async since(from: number, to: number = Date.now()): Promise<LoadSum> {
    return sumOf(await this.seconds(), { from, to, rate: this.#wish.rate });
  }

  /**
   * The same up to the second in which it became known of each request until now whether it has failed. Throws also when
   * that does not become known.
   */
  async settledSince(from: number): Promise<LoadSum> {
    const { namespace, name, rate } = this.#wish;
    const now = Date.now();
    // All of it, because a line that came while nobody looked is as good; followed, because asking again and again would
    // be a load of its own.
    await using log = this.#cluster.running("-n", namespace, "logs", "-f", name);
    const last = await log.tells(
      `${name}: what came of all requests`,
      (said) => settled(secondsIn(said), now),
      SETTLE_DEADLINE_MS,
    );
    return sumOf(secondsIn(log.said), { from, to: last.at, rate });
  }

  /** Deletes the pod. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { namespace, name } = this.#wish;
    const args = ["delete", "pod", name, "--grace-period=1", "--ignore-not-found"];
    await this.#cluster.kubectl("-n", namespace, ...args);
  }
}

function secondsIn(log: string): readonly LoadSecond[] {
  return log
    .split("\n")
    .slice(0, -1) // of the last line there may be only a part
    .filter((line) => line.startsWith("{"))
    .map((line): LoadSecond => JSON.parse(line));
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
