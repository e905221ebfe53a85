/** Who else wants to be the agent of a node: told on the node, for it may be a stolen token. Bounded, whatever comes. */

import type { Condition } from "../k8s/api/condition.ts";
import type { Rival } from "../publish/server.ts";

/** How long it is told after it was seen last. */
const TOLD_MS = 10 * 60_000;
/** One pod's stream that is replaced so often within SOON_MS is not one agent that lost its connections. */
const OFTEN = 5;
const SOON_MS = 60_000;
/** Nodes that are told of, or watched, at a time: the one that was seen longest ago goes first. */
const MAX_NODES = 5_000;

/** What a list of rivals works with. */
export interface RivalsOptions {
  /** A clock that nobody sets, milliseconds. */
  readonly now: () => number;
  /** Told when something is new to be told. */
  readonly onNew: (condition: Condition) => void;
}

interface Seen {
  readonly condition: Condition;
  at: number;
}

interface Replaced {
  readonly since: number;
  count: number;
}

/** What this replica has seen of second agents. */
export class Rivals {
  readonly #options: RivalsOptions;
  readonly #seen = new Map<string, Seen>();
  readonly #replaced = new Map<string, Replaced>();
  readonly #some = Promise.withResolvers<void>();

  constructor(options: RivalsOptions) {
    this.#options = options;
  }

  /** Resolves when there is anything to tell, at once if there ever was; never rejects. */
  some(): Promise<void> {
    return this.#some.promise;
  }

  /** A stream came for a node that has one. */
  take(rival: Rival): void {
    if (rival.kind === "refused") this.#tell(refusedCondition(rival));
    else if (this.#isOften(rival.node)) this.#tell(replacedCondition(rival));
  }

  /** What is wrong. */
  conditions(): readonly Condition[] {
    const now = this.#options.now();
    for (const [node, { at }] of this.#seen) if (now - at > TOLD_MS) this.#seen.delete(node);
    return Array.from(this.#seen.values(), ({ condition }) => condition);
  }

  #isOften(node: string): boolean {
    const now = this.#options.now();
    const known = this.#replaced.get(node);
    const recent = known !== undefined && now - known.since < SOON_MS;
    const replaced = recent ? known : { since: now, count: 0 };
    replaced.count++;
    keepNewest(this.#replaced, node, replaced);
    return replaced.count >= OFTEN;
  }

  #tell(condition: Condition): void {
    const { name } = condition.ref;
    const known = this.#seen.get(name);
    const isNew = known?.condition.problem !== condition.problem;
    keepNewest(this.#seen, name, {
      condition: isNew ? condition : known.condition,
      at: this.#options.now(),
    });
    if (!isNew) return;
    this.#options.onNew(condition);
    this.#some.resolve();
  }
}

function keepNewest<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > MAX_NODES && oldest !== undefined) map.delete(oldest);
}

function refusedCondition({ node, pod, by }: Extract<Rival, { kind: "refused" }>): Condition {
  return condition(
    node,
    `pod ${shown(pod)} wants to be its agent while pod ${shown(by)} is, and was refused`,
    "delete whichever is not of the agents' DaemonSet; if both have ended, the connection of the older one ends in seconds",
  );
}

function replacedCondition({ node, pod }: Extract<Rival, { kind: "replaced" }>): Condition {
  return condition(
    node,
    `several processes follow as its agent with the token of pod ${shown(pod)}, and end each other's streams`,
    "if its agent has not lost its connection again and again, somebody has its token: delete that pod, and the token ends with it",
  );
}

function condition(node: string, problem: string, nextStep: string): Condition {
  const ref = { kind: "Node", namespace: "", name: node };
  return { ref, reason: "second-agent", field: "", problem, nextStep };
}

function shown(pod: string | undefined): string {
  return pod ?? "(unknown)";
}
