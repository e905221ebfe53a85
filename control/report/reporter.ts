/** Writes what is to be told, for as long as this replica leads. */

import { setTimeout as sleep } from "node:timers/promises";
import type { CoreV1Api, CustomObjectsApi } from "@kubernetes/client-node";
import type { Workload } from "#model/workload.ts";
import { type ApiCalls, callError } from "../api-call.ts";
import type { Condition } from "../k8s/api/condition.ts";
import type { ObjectRef } from "../k8s/api/schema.ts";
import { Enrolments } from "./enrolments.ts";
import { COMPONENT, eventOf, type Statement, statementOf } from "./events.ts";
import { type Due, EventLedger } from "./ledger.ts";
import { nextStatus, type WantedStatus } from "./status.ts";

/** How often the conditions are looked at: what a user waits for an Event. */
const LOOK_MS = 2000;
/** Longest pause after failures. */
const LONGEST_PAUSE_MS = 30_000;
/** Events of one look; the rest come with the next ones, so that a burst does not burden the API server. */
const EVENTS_PER_LOOK = 50;
/** A status that is as it should be is read again after this long: somebody may have changed it. */
const STATUS_RESYNC_MS = 5 * 60_000;
/** Events per answer when a new leader reads what was told. */
const LIST_LIMIT = 500;

const MESHES = { group: "linkerd.io", version: "v1alpha2", plural: "servicemeshes" } as const;

/** What a reporter works with. */
export interface ReporterOptions {
  readonly core: Pick<
    CoreV1Api,
    "listEventForAllNamespaces" | "createNamespacedEvent" | "patchNamespacedEvent"
  >;
  readonly custom: Pick<
    CustomObjectsApi,
    "getNamespacedCustomObject" | "replaceNamespacedCustomObjectStatus"
  >;
  readonly calls: ApiCalls;
  /** This replica's name, shown in the Events. */
  readonly identity: string;
  /** All that is wrong now. */
  readonly conditions: () => readonly Condition[];
  /** What each ServiceMesh should say now. */
  readonly statuses: () => readonly WantedStatus[];
  /** All pods as they are now, by uid; undefined: who is enrolled is not this reporter's to tell. */
  readonly workloads?: () => ReadonlyMap<string, Workload>;
  /** The uid that an object has now. */
  readonly uidOf: (ref: ObjectRef) => string | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Something could not be told; told once for each new problem. Must not throw. */
  readonly onProblem: (problem: string) => void;
  readonly lookMs?: number;
}

/** An API that does not answer now: the whole look is tried again. */
class Later extends Error {}

/** Reports while it leads; followers have one too, at rest. */
export class Reporter {
  readonly #options: ReporterOptions;
  #problem = "";

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Reports until the signal aborts, then resolves. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { lookMs = LOOK_MS } = this.#options;
    const term = new Term(this.#options, signal);
    let failures = 0;
    while (!signal.aborted) {
      const problem = await term.look().catch((cause: unknown) => textOf(cause));
      this.#note(problem, signal);
      failures = problem === undefined ? 0 : failures + 1;
      const pause = Math.min(lookMs * 2 ** Math.min(failures, 8), LONGEST_PAUSE_MS);
      // Rejects only when aborted, which the loop sees.
      await sleep(pause, undefined, { signal }).catch(() => {});
    }
  }

  #note(problem: string | undefined, signal: AbortSignal): void {
    if (signal.aborted) return;
    if (problem !== undefined && problem !== this.#problem) this.#options.onProblem(problem);
    this.#problem = problem ?? "";
  }
}

/** One term as the leader: what it knows ends with it. */
class Term {
  readonly #options: ReporterOptions;
  readonly #signal: AbortSignal;
  #ledger: EventLedger | undefined;
  readonly #enrolments = new Enrolments();
  /** Its own, so that a pod that is enrolled and un-enrolled on and on does not keep a warning waiting. */
  readonly #changes = new EventLedger();
  /** Statuses that were seen to be right: the words, and when. */
  readonly #settled = new Map<string, { readonly words: string; readonly at: number }>();

  constructor(options: ReporterOptions, signal: AbortSignal) {
    this.#options = options;
    this.#signal = signal;
  }

  /** Looks once and tells what is due. Resolves with what could not be told; rejects when all must wait. */
  async look(): Promise<string | undefined> {
    this.#ledger ??= await this.#readLedger();
    const problems = [
      await this.#tellConditions(this.#ledger),
      await this.#writeStatuses(),
      // Last: of a whole namespace these are many.
      await this.#tellEnrolments(),
    ];
    return problems.find((problem) => problem !== undefined);
  }

  /** What earlier leaders have told, so that a change of leaders repeats nothing. */
  async #readLedger(): Promise<EventLedger> {
    const { core, calls } = this.#options;
    const ledger = new EventLedger();
    let next: string | undefined;
    do {
      const ask = {
        fieldSelector: `source=${COMPONENT}`,
        limit: LIST_LIMIT,
        ...(next === undefined ? {} : { _continue: next }),
      };
      const page = await this.#call("Events can't be listed", () =>
        core.listEventForAllNamespaces(ask, calls.options(this.#signal)),
      );
      for (const { metadata, type, count, lastTimestamp } of page.items) {
        const { namespace, name } = metadata;
        const at = lastTimestamp?.getTime();
        const told = type === "Normal" ? this.#changes : ledger;
        if (namespace !== undefined && name !== undefined && at !== undefined)
          told.remember({ namespace, name }, count ?? 1, at);
      }
      next = page.metadata?._continue;
    } while (next !== undefined && next !== "");
    return ledger;
  }

  #tellConditions(ledger: EventLedger): Promise<string | undefined> {
    const { conditions, uidOf } = this.#options;
    const statements = conditions()
      .map((condition) => statementOf(condition, uidOf(condition.ref)))
      .filter((statement) => statement !== undefined);
    return this.#tellDue(ledger, statements);
  }

  #tellEnrolments(): Promise<string | undefined> {
    const now = this.#options.workloads?.();
    const statements = now === undefined ? [] : this.#enrolments.look(now);
    return this.#tellDue(this.#changes, statements, (one) => this.#enrolments.told(one));
  }

  async #tellDue(
    ledger: EventLedger,
    statements: readonly Statement[],
    onTold: (statement: Statement) => void = () => {},
  ): Promise<string | undefined> {
    const { now } = this.#options;
    let problem: string | undefined;
    for (const due of ledger.due(statements, now(), EVENTS_PER_LOOK)) {
      if (this.#signal.aborted) return undefined;
      problem = (await this.#tell(due)) ?? problem;
      ledger.told(due, now());
      onTold(due.statement);
    }
    return problem;
  }

  /** Writes one Event. Resolves with why that will never work; rejects with Later. */
  async #tell(due: Due): Promise<string | undefined> {
    const what = `Event ${due.statement.namespace}/${due.statement.name}`;
    try {
      if (due.count === 1 || !(await this.#tellAgain(due))) await this.#tellNew(due.statement);
      return undefined;
    } catch (cause) {
      const { failure, problem } = callError(cause, this.#signal);
      if (failure === "away" || failure === "cancelled")
        throw new Later(`${what}: ${problem}`, { cause });
      // A namespace that is being deleted, or roles that are wrong: trying again would not help.
      return failure === "conflict" ? undefined : `${what}: ${problem}`;
    }
  }

  /** False when the API server has forgotten it. */
  async #tellAgain({ statement, count }: Due): Promise<boolean> {
    const { core, calls, now } = this.#options;
    const { namespace, name } = statement;
    const body = [
      { op: "add", path: "/count", value: count },
      { op: "add", path: "/lastTimestamp", value: new Date(now()).toISOString() },
    ];
    try {
      await core.patchNamespacedEvent({ namespace, name, body }, calls.options(this.#signal));
      return true;
    } catch (cause) {
      if (callError(cause, this.#signal).failure === "absent") return false;
      throw cause;
    }
  }

  async #tellNew(statement: Statement): Promise<void> {
    const { core, calls, identity, now } = this.#options;
    const body = eventOf(statement, identity, new Date(now()));
    const ask = { namespace: statement.namespace, body };
    await core.createNamespacedEvent(ask, calls.options(this.#signal));
  }

  async #writeStatuses(): Promise<string | undefined> {
    const { statuses, now } = this.#options;
    const wanted = statuses();
    const present = new Set(wanted.map(keyOf));
    for (const key of [...this.#settled.keys()]) if (!present.has(key)) this.#settled.delete(key);
    let problem: string | undefined;
    for (const one of wanted) {
      if (this.#signal.aborted) return undefined;
      const words = JSON.stringify(one.status);
      const settled = this.#settled.get(keyOf(one));
      if (settled?.words === words && now() - settled.at < STATUS_RESYNC_MS) continue;
      const failed = await this.#writeStatus(one);
      if (failed === undefined) this.#settled.set(keyOf(one), { words, at: now() });
      problem = failed ?? problem;
    }
    return problem;
  }

  /** Resolves with why it was not written now. */
  async #writeStatus(wanted: WantedStatus): Promise<string | undefined> {
    const { custom, calls, now } = this.#options;
    const { namespace, name } = wanted;
    const where = { ...MESHES, namespace, name };
    try {
      // The client types custom objects as any.
      const object: unknown = await custom.getNamespacedCustomObject(
        where,
        calls.options(this.#signal),
      );
      const current = isRecord(object) ? object : {};
      const status = nextStatus(current.status, wanted, rfc3339(now()));
      if (status === undefined) return undefined;
      // The whole object as it was read, with its resourceVersion: a change in between is a conflict.
      const body = { ...current, status };
      await custom.replaceNamespacedCustomObjectStatus(
        { ...where, body },
        calls.options(this.#signal),
      );
      return undefined;
    } catch (cause) {
      const { failure, problem } = callError(cause, this.#signal);
      // Deleted meanwhile: there is nobody to tell.
      if (failure === "absent") return undefined;
      return `status of ServiceMesh ${namespace}/${name}: ${problem}`;
    }
  }

  async #call<T>(what: string, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (cause) {
      throw new Later(`${what}: ${callError(cause, this.#signal).problem}`, { cause });
    }
  }
}

/** Seconds, as Kubernetes' times are. */
function rfc3339(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

function keyOf({ namespace, name }: WantedStatus): string {
  return `${namespace}/${name}`;
}

function isRecord(value: unknown): value is { readonly status?: unknown } {
  return typeof value === "object" && value !== null;
}

function textOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
