/** World in, snapshots out: collects changes, compiles once per burst, publishes, and keeps the conditions. */

import { type Compilation, compile, EMPTY_COMPILATION } from "./compile/compile.ts";
import { meshStatuses, type ServiceMeshStatus } from "./compile/service-meshes.ts";
import type { Condition } from "./k8s/api/condition.ts";
import type { Publisher } from "./publish/publisher.ts";
import { withoutEnrolments } from "./uninstallation.ts";
import { applyChanges, type Change, EMPTY_WORLD, type World } from "./world.ts";

/** What a pipeline reports to; see metrics.ts. */
export interface PipelineMeters {
  readonly compileSeconds: { observe(seconds: number): void };
  readonly compileFailures: { inc(): void };
}

/** How a pipeline says what happened. */
export type PipelineLog = (event: string, fields: Readonly<Record<string, unknown>>) => void;

/** New problems that are logged one by one per compilation; the rest are counted. */
const MAX_LOGGED = 20;
/** Problems looked at for logging: with more than this something general is wrong, and the metric tells. */
const MAX_LOOKED_AT = 1000;

/**
 * Least time between two publications for each listener. A publication costs a message and an ack per agent, so that a
 * churning cluster would keep a large mesh busy with nothing else: 1,000 agents get four a second at most, each with all
 * that happened meanwhile. After a quiet time a change is published at once.
 */
const GAP_MS_PER_LISTENER = 0.25;

/** The one place that holds the world. Nothing is published before start(). */
export class Pipeline {
  readonly #publisher: Publisher;
  readonly #log: PipelineLog;
  #world: World = EMPTY_WORLD;
  #compilation: Compilation = EMPTY_COMPILATION;
  #pending: Change[] = [];
  #scheduled = false;
  #sourceConditions: (() => readonly Condition[]) | undefined;
  #logged: ReadonlySet<string> = new Set();
  #meters: PipelineMeters | undefined;
  #leaving = false;
  #ranAt = Number.NEGATIVE_INFINITY;

  constructor(publisher: Publisher, log: PipelineLog) {
    this.#publisher = publisher;
    this.#log = log;
  }

  /** The world as of the last compilation. */
  get world(): World {
    return this.#world;
  }

  /** What the world means, as of the last compilation. */
  get compilation(): Compilation {
    return this.#compilation;
  }

  /** All problems: of the source and of the compiler. */
  conditions(): readonly Condition[] {
    return [...(this.#sourceConditions?.() ?? []), ...this.#compilation.conditions];
  }

  /** What each ServiceMesh shall say of itself. */
  statuses(): readonly ServiceMeshStatus[] {
    return meshStatuses(this.#compilation.meshed.meshes, this.#compilation.workloads);
  }

  /** Reports to these from now on. */
  observe(meters: PipelineMeters): void {
    this.#meters = meters;
  }

  /** Whether the mesh is being uninstalled: nobody is enrolled then. */
  get leaving(): boolean {
    return this.#leaving;
  }

  set leaving(leaving: boolean) {
    if (leaving === this.#leaving) return;
    this.#leaving = leaving;
    this.#log(leaving ? "leaving" : "staying", {});
    this.#schedule();
  }

  /**
   * Takes changes; they are compiled together with all others of this turn of the event loop, or of the gap that
   * follows a publication.
   */
  take(changes: readonly Change[]): void {
    for (const change of changes) this.#pending.push(change);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#sourceConditions === undefined) return;
    this.#scheduled = true;
    const gap = this.#publisher.listeners * GAP_MS_PER_LISTENER;
    const wait = this.#ranAt + gap - performance.now();
    if (wait > 1) setTimeout(() => this.#run(), wait);
    else setImmediate(() => this.#run());
  }

  /** What waits to be compiled is compiled and published now. */
  flush(): void {
    if (this.#scheduled) this.#run();
  }

  /** The source has told all it knew at first: compile and publish, from now on after every change. */
  start(sourceConditions: () => readonly Condition[]): void {
    this.#sourceConditions = sourceConditions;
    this.#run();
  }

  #run(): void {
    this.#scheduled = false;
    const changes = this.#pending;
    this.#pending = [];
    const from = performance.now();
    this.#ranAt = from;
    try {
      this.#world = applyChanges(this.#world, changes);
      this.#compilation = compile(this.#world, this.#compilation);
      const { workloads, services } = this.#compilation;
      const parts = { workloads, services };
      if (this.#publisher.publish(this.#leaving ? withoutEnrolments(parts) : parts))
        this.#published(changes.length, from);
    } catch (cause) {
      // A bug: users' objects don't make the compiler throw. What is published stays.
      this.#meters?.compileFailures.inc();
      this.#log("compile-failed", { error: cause instanceof Error ? cause.stack : String(cause) });
    }
    this.#meters?.compileSeconds.observe((performance.now() - from) / 1000);
    this.#logConditions();
  }

  #published(changes: number, from: number): void {
    const { version, workloads, services } = this.#publisher.snapshot;
    this.#log("published", {
      version,
      changes,
      workloads: workloads.size,
      services: services.size,
      milliseconds: Math.round((performance.now() - from) * 100) / 100,
    });
  }

  /** Each problem is logged when it appears, not again at every compilation. */
  #logConditions(): void {
    const looked = this.conditions().slice(0, MAX_LOOKED_AT);
    const now = new Map(looked.map((condition) => [JSON.stringify(condition), condition]));
    const fresh = [...now].filter(([key]) => !this.#logged.has(key));
    for (const [, condition] of fresh.slice(0, MAX_LOGGED))
      this.#log("condition", { ...condition });
    if (fresh.length > MAX_LOGGED)
      this.#log("conditions-not-logged", { count: fresh.length - MAX_LOGGED });
    this.#logged = new Set(now.keys());
  }
}
