/** What agents that are connected here report of ports that declare what is not spoken there. Bounded, whatever they say. */

import type { MisdeclaredPort } from "#model/misdeclared.ts";
import type { Compilation } from "../compile/compile.ts";
import { misdeclaredConditions } from "../compile/misdeclared-ports.ts";
import type { Condition } from "../k8s/api/condition.ts";

/** How long the word of an agent counts that is not connected any more: it may come back, here or elsewhere. */
const ABSENT_MS = 10 * 60_000;

/** Reports kept over all nodes. */
const MAX_REPORTS = 20_000;

/** What the reports are read with. */
export interface MisdeclaredOptions {
  readonly compilation: () => Compilation;
  readonly isConnected: (node: string) => boolean;
  /** A clock that nobody sets, milliseconds. */
  readonly now: () => number;
  /** Told of each port when a first agent reports it. */
  readonly onNew: (node: string, port: MisdeclaredPort) => void;
}

interface Report {
  readonly ports: readonly MisdeclaredPort[];
  /** When its agent was last seen to be connected. */
  seenAt: number;
}

/** The reports of all agents of this replica. */
export class MisdeclaredReports {
  readonly #options: MisdeclaredOptions;
  readonly #byNode = new Map<string, Report>();
  readonly #some = Promise.withResolvers<void>();
  #size = 0;
  /** Conditions as last made, and of what. */
  #made: { readonly from: Compilation | undefined; readonly conditions: readonly Condition[] } = {
    from: undefined,
    conditions: [],
  };

  constructor(options: MisdeclaredOptions) {
    this.#options = options;
  }

  /** How many reports are kept. */
  get size(): number {
    return this.#size;
  }

  /** Resolves when there is anything to tell, at once if there ever was; never rejects. */
  some(): Promise<void> {
    return this.#some.promise;
  }

  /** Takes all that a node's agent knows, instead of what it said before. */
  take(node: string, ports: readonly MisdeclaredPort[]): void {
    const known = new Set(this.#distinct().keys());
    this.#forget(node);
    const kept = ports.slice(0, MAX_REPORTS - this.#size);
    if (kept.length > 0) this.#byNode.set(node, { ports: kept, seenAt: this.#options.now() });
    this.#size += kept.length;
    this.#made = { from: undefined, conditions: [] };
    for (const port of kept) if (!known.has(keyOf(port))) this.#options.onNew(node, port);
    if (kept.length > 0) this.#some.resolve();
  }

  /** What is wrong, as far as these agents know. */
  conditions(): readonly Condition[] {
    this.#forgetAbsent();
    const { compilation } = this.#options;
    const from = compilation();
    if (this.#made.from !== from) {
      const ports = [...this.#distinct().values()];
      this.#made = { from, conditions: misdeclaredConditions(ports, from) };
    }
    return this.#made.conditions;
  }

  #distinct(): ReadonlyMap<string, MisdeclaredPort> {
    const all = new Map<string, MisdeclaredPort>();
    for (const { ports } of this.#byNode.values())
      for (const port of ports) all.set(keyOf(port), port);
    return all;
  }

  #forgetAbsent(): void {
    const { isConnected, now } = this.#options;
    for (const [node, report] of this.#byNode)
      if (isConnected(node)) report.seenAt = now();
      else if (now() - report.seenAt > ABSENT_MS) {
        this.#forget(node);
        this.#made = { from: undefined, conditions: [] };
      }
  }

  #forget(node: string): void {
    this.#size -= this.#byNode.get(node)?.ports.length ?? 0;
    this.#byNode.delete(node);
  }
}

function keyOf(port: MisdeclaredPort): string {
  return JSON.stringify(port);
}
