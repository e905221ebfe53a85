import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import { Drain, type Drainable, endOnce, Prerequisites } from "./lifecycle.ts";

describe("readiness", () => {
  test("names what is awaited and for how long, and is ready when nothing is", async () => {
    let now = 0;
    const readiness = new Prerequisites(() => now);
    const snapshot = readiness.await("snapshot");
    now = 1_500;
    const workers = readiness.await("workers");
    assert.deepEqual(readiness.awaited(), [
      { name: "snapshot", seconds: 1.5 },
      { name: "workers", seconds: 0 },
    ]);
    const ready = readiness.whenReady().then(() => readiness.ready);
    workers();
    workers();
    assert.equal(readiness.ready, false);
    snapshot();
    assert.equal(await ready, true);
    await readiness.whenReady();
    readiness.await("draining");
    assert.equal(readiness.ready, false);
  });

  test("awaiting one name twice is a bug and says so", () => {
    const readiness = new Prerequisites(() => 0);
    readiness.await("snapshot");
    assert.throws(() => readiness.await("snapshot"), /already awaited/);
  });
});

describe("drain", () => {
  function part(name: string, log: string[]) {
    const idle = Promise.withResolvers<void>();
    const drainable: Drainable = {
      name,
      stopAccepting: () => void log.push(`stop ${name}`),
      idle: () => idle.promise,
      force: () => void log.push(`force ${name}`),
    };
    return { drainable, becomeIdle: () => idle.resolve() };
  }

  function rig(names: readonly string[]) {
    const log: string[] = [];
    const parts = names.map((name) => part(name, log));
    const timer = { fire: () => {}, ms: 0, cancelled: 0 };
    const drain = new Drain({
      parts: parts.map((one) => one.drainable),
      deadlineMs: 30_000,
      after: (ms, callback) => {
        timer.ms = ms;
        timer.fire = callback;
        return () => timer.cancelled++;
      },
    });
    return { log, parts, timer, drain };
  }

  test("stops accepting everywhere first, ends when all are idle, cuts nobody, leaves no timer", async () => {
    const { log, parts, timer, drain } = rig(["workers", "monitor"]);
    assert.deepEqual(drain.state, { kind: "serving" });
    const done = drain.begin();
    assert.deepEqual(log, ["stop workers", "stop monitor"]);
    assert.deepEqual(drain.state, { kind: "draining", busy: ["workers", "monitor"] });
    for (const one of parts) one.becomeIdle();
    assert.deepEqual(await done, { kind: "drained", forced: [] });
    assert.equal(timer.ms, 30_000);
    assert.ok(timer.cancelled > 0);
  });

  test("at the deadline exactly those still busy are cut", async () => {
    const { log, parts, timer, drain } = rig(["workers", "monitor"]);
    const done = drain.begin();
    parts[1]?.becomeIdle();
    for (let i = 0; i < 10; i++) await undefined;
    timer.fire();
    assert.deepEqual(await done, { kind: "drained", forced: ["workers"] });
    assert.deepEqual(log.slice(2), ["force workers"]);
  });

  test("a second request to drain forces at once", async () => {
    const { log, drain } = rig(["workers"]);
    const first = drain.begin();
    const second = drain.begin();
    assert.deepEqual(await first, { kind: "drained", forced: ["workers"] });
    assert.equal(await second, await first);
    assert.deepEqual(log, ["stop workers", "force workers"]);
  });

  test("who asks for the end again hurries the drain and waits for the one end", async () => {
    const { log, drain } = rig(["workers"]);
    const ending = Promise.withResolvers<void>();
    const end = endOnce(drain, () => {
      log.push("end");
      return ending.promise;
    });
    let over = 0;
    const asked = [end(), end()].map((one) => one.then(() => over++));
    await turnOfLoop();
    asked.push(end().then(() => over++));
    await turnOfLoop();
    assert.deepEqual(log, ["stop workers", "force workers", "end"]);
    assert.equal(over, 0);
    ending.resolve();
    await Promise.all(asked);
    assert.equal(over, 3);
  });
});
