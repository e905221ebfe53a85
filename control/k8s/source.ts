/** The API server as a source of the world: one reflector for each kind that control reads. */

import { setMaxListeners } from "node:events";
import type { KubeConfig } from "@kubernetes/client-node";
import type { Condition } from "./api/condition.ts";
import { ApiEndpoint } from "./endpoint.ts";
import { Reflector, type ReflectorOptions, type ReflectorState } from "./reflector.ts";
import { RESOURCES, type Resource } from "./resources.ts";

/** Where to read and whom to tell. */
export interface KubernetesSourceOptions
  extends Pick<ReflectorOptions, "onChanges" | "resyncMs" | "silenceMs" | "pageSize"> {
  /** How to reach the API server; see kubeconfig.ts. */
  readonly config: KubeConfig;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
  /** Names what is awaited, as Readiness.await does; the returned function says that it happened. */
  readonly await: (name: string) => () => void;
  /** Ends everything; `open` rejects with its reason when it has not resolved. */
  readonly signal: AbortSignal;
  /** Default: everything that control reads. */
  readonly resources?: readonly Resource[];
}

/** What is known of one collection. */
export interface ResourceState extends ReflectorState {
  readonly resource: string;
}

/** A live view of a cluster. What is known stays in force while the API server is away. */
export class KubernetesSource implements AsyncDisposable {
  readonly #endpoint: ApiEndpoint;
  readonly #reflectors: readonly (readonly [Resource, Reflector])[];
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;

  private constructor(options: KubernetesSourceOptions) {
    const { config, log, resources = RESOURCES } = options;
    this.#endpoint = new ApiEndpoint(config);
    // Each reflector listens with a request or a wait, and with the next while that one ends.
    setMaxListeners(resources.length * 4, this.#stop.signal);
    this.#reflectors = resources.map((resource) => [
      resource,
      new Reflector({
        ...options,
        resource,
        access: () => this.#endpoint.access(),
        onTrouble: (trouble) =>
          trouble === undefined
            ? log("follows", { resource: resource.name })
            : log("cannot-follow", { resource: resource.name, trouble }),
        random: Math.random,
        now: () => performance.now(),
      }),
    ]);
    this.#ended = Promise.all(this.#reflectors.map(([, one]) => one.run(this.#stop.signal)));
  }

  /** Resolves when each resource's first list is complete, however long that takes. Rejects only when aborted. */
  static async open(options: KubernetesSourceOptions): Promise<KubernetesSource> {
    const { signal } = options;
    signal.throwIfAborted();
    const source = new KubernetesSource(options);
    const aborted = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => aborted.reject(signal.reason), { once: true });
    // Nobody may be waiting any more.
    aborted.promise.catch(() => undefined);
    const listed = source.#reflectors.map(async ([{ name }, reflector]) => {
      const happened = options.await(`${name} listed`);
      await reflector.listed;
      happened();
    });
    try {
      await Promise.race([Promise.all(listed), aborted.promise]);
    } catch (cause) {
      await source[Symbol.asyncDispose]();
      throw cause;
    }
    return source;
  }

  /** All there is to say about objects that can't be read. */
  conditions(): readonly Condition[] {
    return this.#reflectors.flatMap(([, reflector]) => reflector.conditions());
  }

  /** Each collection's state, for metrics and status pages. */
  states(): readonly ResourceState[] {
    return this.#reflectors.map(([{ name }, one]) => ({ resource: name, ...one.state }));
  }

  /** Ends the watches and waits for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.#endpoint[Symbol.asyncDispose]();
  }
}
