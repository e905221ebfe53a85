import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { TICK_MS, Timer, TimerWheel } from "./timers.ts";

type Step =
  | { readonly kind: "arm"; readonly timer: number; readonly delayMs: number }
  | { readonly kind: "cancel"; readonly timer: number }
  | { readonly kind: "advance"; readonly byMs: number };

const TIMERS = 8;

const timer = fc.nat(TIMERS - 1);
const duration = fc.oneof(
  fc.nat(50),
  fc.nat(6000),
  fc.nat(1_000_000),
  fc.double({ min: 0, max: 3000, noNaN: true }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("arm" as const), timer, delayMs: duration }),
  fc.record({ kind: fc.constant("cancel" as const), timer }),
  fc.record({ kind: fc.constant("advance" as const), byMs: duration }),
);

/** What the wheel promises, the slow way: due times in a map. */
class Model {
  readonly due: Map<number, number> = new Map();

  /** Timers that must have fired by `now`, and those that may have. */
  fires(now: number): { must: number[]; may: number[] } {
    const due = [...this.due];
    return {
      must: due.filter(([, at]) => at + TICK_MS <= now).map(([id]) => id),
      may: due.filter(([, at]) => at <= now).map(([id]) => id),
    };
  }
}

function assertWait(waitMs: number, now: number, model: Model): void {
  const none = model.due.size === 0;
  assert.equal(waitMs === -1, none, "waits for ever when nothing is armed");
  if (none) return;
  const first = Math.min(...model.due.values());
  assert.ok(waitMs <= Math.max(0, first - now) + TICK_MS + 1, "waits not too long");
}

function assertFired(fired: readonly number[], now: number, model: Model): void {
  const { must, may } = model.fires(now);
  const late = must.filter((id) => !fired.includes(id));
  assert.deepEqual(late, [], "none is late");
  const early = fired.filter((id) => !may.includes(id));
  assert.deepEqual(early, [], "none is early");
  assert.equal(new Set(fired).size, fired.length, "none fires twice");
}

test("the wheel agrees with a naive model on every sequence of arm, cancel and advance", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), fc.array(step), (start, steps) => {
      let now = start;
      const wheel = new TimerWheel(now);
      const model = new Model();
      let fired: number[] = [];
      const timers = Array.from(
        { length: TIMERS },
        (_, id) => new Timer({ onTimer: (who) => fired.push(who.tag) }, id),
      );
      for (const action of steps) {
        if (action.kind === "arm") {
          wheel.arm(timers[action.timer] as Timer, now, action.delayMs);
          model.due.set(action.timer, now + action.delayMs);
        } else if (action.kind === "cancel") {
          wheel.cancel(timers[action.timer] as Timer);
          model.due.delete(action.timer);
        } else {
          assertWait(wheel.nextDelay(now), now, model);
          now += action.byMs;
          fired = [];
          wheel.advance(now);
          assertFired(fired, now, model);
          for (const id of fired) model.due.delete(id);
        }
        assert.equal(wheel.armedCount, model.due.size);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a handler may cancel, push back and arm other timers that are due at the same moment", () => {
  const wheel = new TimerWheel(0);
  const log: string[] = [];
  const cancelled = new Timer({ onTimer: () => log.push("cancelled one fired") });
  const pushed = new Timer({ onTimer: () => log.push("pushed") });
  const first = new Timer({
    onTimer: () => {
      log.push("first");
      wheel.cancel(cancelled);
      wheel.arm(pushed, 100, 200);
      wheel.arm(first, 100, 0);
    },
  });
  for (const one of [first, cancelled, pushed]) wheel.arm(one, 0, 50);
  wheel.advance(100);
  assert.deepEqual(log, ["first"]);
  wheel.cancel(first);
  wheel.advance(290);
  assert.deepEqual(log, ["first"]);
  wheel.advance(310);
  assert.deepEqual(log, ["first", "pushed"]);
  assert.equal(wheel.armedCount, 0);
});

test("a thousand timers over hours fire in their order", () => {
  const wheel = new TimerWheel(0);
  const fired: number[] = [];
  const timers = Array.from(
    { length: 1000 },
    (_, i) => new Timer({ onTimer: (who) => fired.push(who.tag) }, i),
  );
  for (const one of timers) wheel.arm(one, 0, one.tag * 9_973);
  for (let now = 0; wheel.armedCount > 0; now += wheel.nextDelay(now)) wheel.advance(now);
  assert.deepEqual(
    fired,
    timers.map((one) => one.tag),
  );
});
