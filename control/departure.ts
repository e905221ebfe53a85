/** Acts on what uninstallation.ts decides: lets all pods go when the mesh leaves, or when control ends with it. */

import type { Pipeline } from "./pipeline.ts";
import type { AgentRegistry } from "./publish/agents.ts";
import type { Publisher } from "./publish/publisher.ts";
import { type AgentSetName, departureAfter, leavesIn, STAYING } from "./uninstallation.ts";
import type { Change } from "./world.ts";

/**
 * What agents get to take all pods out before control ends (ms). With what else control does at its end it must fit into
 * terminationGracePeriodSeconds of deploy/manifests/control.ts.
 */
const FAREWELL_MS = 3000;

/** What a departure works with. */
export interface DeparturesOptions {
  readonly name: AgentSetName;
  readonly pipeline: Pick<Pipeline, "leaving" | "flush">;
  readonly publisher: Pick<Publisher, "snapshot">;
  readonly agents: Pick<AgentRegistry, "enforced">;
  /** Milliseconds of a clock that nobody sets. */
  readonly now: () => number;
  readonly farewellMs?: number;
}

/** Follows the objects that stand for the agents. Dispose to stop. */
export class Departures implements Disposable {
  readonly #options: DeparturesOptions;
  #known = STAYING;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DeparturesOptions) {
    this.#options = options;
  }

  /** Something changed, perhaps one of those objects. */
  take(changes: readonly Change[]): void {
    const { name, now } = this.#options;
    this.#known = departureAfter(this.#known, changes, name, now());
    this.#look();
  }

  /**
   * Control ends. When the agents' DaemonSet is gone nobody will be there to wait any longer: all pods are let go at
   * once, and this resolves when the agents that are connected have done it, or after FAREWELL_MS.
   */
  async farewell(): Promise<void> {
    const { pipeline, publisher, agents, farewellMs = FAREWELL_MS } = this.#options;
    if (this.#known.set.kind !== "gone") return;
    pipeline.leaving = true;
    pipeline.flush();
    await agents.enforced(publisher.snapshot, AbortSignal.timeout(farewellMs));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const { pipeline, now } = this.#options;
    clearTimeout(this.#timer);
    const wait = leavesIn(this.#known, now());
    if (wait === undefined || wait === 0) pipeline.leaving = wait === 0;
    else this.#timer = setTimeout(() => this.#look(), wait);
  }
}
