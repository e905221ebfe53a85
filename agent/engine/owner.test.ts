import assert from "node:assert/strict";
import { test } from "node:test";
import { Budget, Owner, Scheduler, Task } from "./owner.ts";

/** Always has more to do. */
class Flood extends Task {
  readonly #scheduler: Scheduler;
  readonly #log: string[];
  readonly #name: string;
  readonly #cost: number;

  constructor(
    at: { scheduler: Scheduler; owner: Owner; log: string[] },
    name: string,
    cost: number,
  ) {
    super(at.owner);
    this.#scheduler = at.scheduler;
    this.#log = at.log;
    this.#name = name;
    this.#cost = cost;
  }

  onReady(): void {
    // Events are not what this test is about.
  }

  work(): number {
    this.#log.push(this.#name);
    this.#scheduler.schedule(this);
    return this.#cost;
  }

  abandon(): void {
    // Never throws.
  }
}

function rethrow(error: unknown): void {
  throw error;
}

test("an owner with a thousand busy channels delays another owner's one channel by a quantum only", () => {
  const scheduler = new Scheduler();
  const log: string[] = [];
  const crowd = { scheduler, owner: new Owner(1, 0, new Budget(0)), log };
  for (let i = 0; i < 1000; i++) scheduler.schedule(new Flood(crowd, "crowd", 1));
  scheduler.schedule(
    new Flood({ scheduler, owner: new Owner(2, 0, new Budget(0)), log }, "single", 1),
  );
  for (let i = 0; i < 100; i++) scheduler.run(rethrow);
  const singles = log.filter((name) => name === "single").length;
  assert.ok(log.indexOf("single") <= 40, `first turn at ${log.indexOf("single")}`);
  assert.ok(singles > log.length / 3, `${singles} of ${log.length} turns`);
});

test("cost counts: an owner moving bulk gets fewer turns than one with small messages", () => {
  const scheduler = new Scheduler();
  const log: string[] = [];
  for (const [id, name, cost] of [
    [1, "bulk", 9],
    [2, "small", 1],
  ] as const) {
    const at = { scheduler, owner: new Owner(id, 0, new Budget(0)), log };
    for (let i = 0; i < 50; i++) scheduler.schedule(new Flood(at, name, cost));
  }
  for (let i = 0; i < 50; i++) scheduler.run(rethrow);
  const bulk = log.filter((name) => name === "bulk").length;
  const small = log.length - bulk;
  assert.ok(small / bulk > 5 && small / bulk < 10, `${small} small, ${bulk} bulk`);
});

test("every scheduled task works once, in order within its owner, and then the scheduler is idle", () => {
  const scheduler = new Scheduler();
  const log: number[] = [];
  class Once extends Task {
    readonly #n: number;

    constructor(owner: Owner, n: number) {
      super(owner);
      this.#n = n;
    }

    onReady(): void {
      // No events here.
    }

    work(): number {
      log.push(this.#n);
      return 1;
    }

    abandon(): void {
      // Never throws.
    }
  }
  const owners = Array.from({ length: 3000 }, (_, id) => new Owner(id, 0, new Budget(0)));
  for (let n = 0; n < 9000; n++) {
    const task = new Once(owners[n % 3000] as Owner, n);
    scheduler.schedule(task);
    scheduler.schedule(task);
  }
  while (!scheduler.idle) scheduler.run(rethrow);
  assert.deepEqual(
    [...log].sort((a, b) => a - b),
    Array.from({ length: 9000 }, (_, n) => n),
  );
  const ofOne = log.filter((n) => n % 3000 === 7);
  assert.deepEqual(ofOne, [7, 3007, 6007]);
});
