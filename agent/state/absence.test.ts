import assert from "node:assert/strict";
import { test } from "node:test";
import { Absence } from "./absence.ts";
import type { StreamStatus } from "./stream.ts";

const AFTER_MS = 30_000;
const LOST: StreamStatus = { kind: "lost", problem: "gone", retryInMs: 1 };
const SYNCED: StreamStatus = { kind: "synced", epoch: "e", version: 1 };

test("control is away when it was lost for long, and back with a snapshot in force", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const told: boolean[] = [];
  using absence = new Absence(AFTER_MS, (away) => told.push(away));
  absence.hear({ kind: "connecting" });
  absence.hear(LOST);
  mock.timers.tick(AFTER_MS - 1);
  // What it tries meanwhile neither shortens nor lengthens it.
  for (const status of [{ kind: "connecting" } as const, { kind: "connected" } as const, LOST])
    absence.hear(status);
  assert.deepEqual(told, []);
  mock.timers.tick(1);
  assert.deepEqual(told, [true]);
  absence.hear(LOST);
  absence.hear({ kind: "connected" });
  mock.timers.tick(2 * AFTER_MS);
  assert.deepEqual(told, [true]);
  absence.hear(SYNCED);
  absence.hear(SYNCED);
  assert.deepEqual(told, [true, false]);
});

test("who comes back in time was never away", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const told: boolean[] = [];
  using absence = new Absence(AFTER_MS, (away) => told.push(away));
  for (let i = 0; i < 3; i++) {
    absence.hear(LOST);
    mock.timers.tick(AFTER_MS - 1);
    absence.hear(SYNCED);
  }
  mock.timers.tick(AFTER_MS);
  assert.deepEqual(told, []);
});

test("with a time of 0 it is never away", ({ mock }) => {
  mock.timers.enable({ apis: ["setTimeout"] });
  const told: boolean[] = [];
  using absence = new Absence(0, (away) => told.push(away));
  absence.hear(LOST);
  mock.timers.tick(100 * AFTER_MS);
  assert.deepEqual(told, []);
});
