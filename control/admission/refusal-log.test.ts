import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusalLog } from "./refusal-log.ts";

test("the same refusal is told once a minute, with how many were not", () => {
  let now = 0;
  const log = new RefusalLog(() => now);
  assert.deepEqual(log.take("n1", "no token"), { untold: 0 });
  for (let i = 0; i < 59; i++) {
    now += 1000;
    assert.equal(log.take("n1", "no token"), undefined);
  }
  assert.deepEqual(log.take("n2", "no token"), { untold: 59 });
  now += 1000;
  assert.deepEqual(log.take("n1", "no token"), { untold: 0 });
});

test("strangers with a new name each time get a hundred lines a minute", () => {
  let now = 0;
  const log = new RefusalLog(() => now);
  let told = 0;
  for (let i = 0; i < 10_000; i++) if (log.take(`n${i}`, "no token") !== undefined) told++;
  assert.equal(told, 100);
  now += 60_000;
  assert.deepEqual(log.take("n1", "no token"), { untold: 9900 });
});
