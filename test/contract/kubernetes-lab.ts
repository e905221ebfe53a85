/** A source over a played API, for the contract tests of both. */

import { RESOURCES } from "../../control/k8s/resources.ts";
import { KubernetesSource, type KubernetesSourceOptions } from "../../control/k8s/source.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "../../control/world.ts";
import { until } from "../support/until.ts";
import { PlayedApi, type RawObject } from "./kubernetes-api.ts";

/** Path of the collection of pods. */
export const PODS = "/api/v1/pods";

/** A played API, a source that follows it, and the world that comes of it. Dispose to end all. */
export class Lab implements AsyncDisposable {
  readonly api: PlayedApi = new PlayedApi();
  readonly log: string[] = [];
  readonly awaited: Set<string> = new Set();
  readonly changes: Change[] = [];
  world: World = EMPTY_WORLD;
  source: KubernetesSource | undefined;
  readonly #stop = new AbortController();

  /** Opens the source and waits for its first lists. */
  async open(
    resources: readonly string[],
    more: Partial<KubernetesSourceOptions> = {},
  ): Promise<void> {
    this.source = await KubernetesSource.open({
      config: this.api.config,
      resources: RESOURCES.filter(({ name }) => resources.includes(name)),
      onChanges: (changes) => {
        this.changes.push(...changes);
        this.world = applyChanges(this.world, changes);
      },
      log: (event, fields) => this.log.push(`${event} ${JSON.stringify(fields)}`),
      await: (name) => {
        this.awaited.add(name);
        return () => this.awaited.delete(name);
      },
      signal: this.#stop.signal,
      pageSize: 2,
      ...more,
    });
  }

  /** Names of the pods known. */
  get pods(): string {
    return Array.from(this.world.pods.values(), ({ metadata }) => metadata.name)
      .sort()
      .join();
  }

  /** Waits until just these pods are known. */
  async podsAre(names: string): Promise<void> {
    await until(`pods ${names}, are ${this.pods}`, () => this.pods === names, 10_000);
  }

  /** Ends the source, or its opening. */
  stop(): void {
    this.#stop.abort(new Error("stopped"));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.source?.[Symbol.asyncDispose]();
    await this.api[Symbol.asyncDispose]();
  }
}

/** A running pod of namespace shop. */
export function pod(
  name: string,
  annotations: Record<string, string> = {},
  ip = "10.1.0.9",
): RawObject {
  return {
    metadata: {
      name,
      namespace: "shop",
      uid: `uid-${name}`,
      annotations,
      managedFields: [{ manager: "kubelet" }],
    },
    spec: {
      nodeName: "n1",
      containers: [{ name: "c", env: [{ name: "A", value: "b" }], ports: [{ containerPort: 80 }] }],
    },
    status: { phase: "Running", podIPs: [{ ip }] },
  };
}

/** A lab that follows three pods. */
export async function podLab(more: Partial<KubernetesSourceOptions> = {}): Promise<Lab> {
  const lab = new Lab();
  await lab.api.listen();
  lab.api.serve(PODS, pod("a"), pod("b"), pod("c"));
  await lab.open(["pods"], more);
  await lab.api.watched(PODS);
  return lab;
}
