/** The API server as a source of the world: one reflector for each kind that control reads. */

import type { Change } from "../world.ts";
import type { Condition } from "./api/condition.ts";
import type { ApiAccess } from "./endpoint.ts";
import { Reflector } from "./reflector.ts";
import { RESOURCES, type Resource } from "./resources.ts";

/** Where to read and whom to tell. */
export interface KubernetesSourceOptions {
  /** Asked before every request: address, TLS, credentials. */
  readonly access: () => Promise<ApiAccess>;
  /** Called with every batch of changes, and with none when only conditions may have changed. */
  readonly onChanges: (changes: readonly Change[]) => void;
  /** A collection can't be followed now (undefined: it can again). What was known of it stays in force. */
  readonly onTrouble: (resource: string, trouble: string | undefined) => void;
  readonly resources?: readonly Resource[];
  readonly resyncMs?: number;
  readonly silenceMs?: number;
  readonly pageSize?: number;
}

/** What is known of one collection. */
export interface ResourceState {
  readonly name: string;
  readonly objects: number;
  /** Complete lists so far: 1 plus re-lists. */
  readonly lists: number;
  readonly trouble: string | undefined;
}

/** A live world. Disposing ends all watches. */
export class KubernetesSource implements AsyncDisposable {
  readonly #reflectors: readonly (readonly [Resource, Reflector])[];
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;

  constructor(options: KubernetesSourceOptions) {
    const { resources = RESOURCES, onTrouble, ...rest } = options;
    this.#reflectors = resources.map((resource) => [
      resource,
      new Reflector({
        ...rest,
        resource,
        onTrouble: (trouble) => onTrouble(resource.name, trouble),
        random: Math.random,
        now: () => performance.now(),
      }),
    ]);
    this.#ended = Promise.all(this.#reflectors.map(([, one]) => one.run(this.#stop.signal)));
  }

  /** Resolves when all there was has been read and reported; tries for as long as it takes. */
  async listed(): Promise<void> {
    await Promise.all(this.#reflectors.map(([, reflector]) => reflector.listed));
  }

  /** All there is to say about objects that can't be read. */
  conditions(): readonly Condition[] {
    return this.#reflectors.flatMap(([, reflector]) => reflector.conditions());
  }

  /** Each collection's state, for metrics and status pages. */
  states(): readonly ResourceState[] {
    return this.#reflectors.map(([{ name }, reflector]) => ({ name, ...reflector.state }));
  }

  /** Ends the watches and waits for them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#ended;
  }
}
