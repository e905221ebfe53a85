import assert from "node:assert/strict";
import { test } from "node:test";
import { decideNext, type Outcome, type Position, troubleOf } from "./watch-decide.ts";

const AT: Position = { synced: true, failures: 0, listAgeMs: 1000, resyncMs: 60_000 };

function refused(status: number, retryAfterMs?: number): Outcome {
  return { kind: "refused", status, message: "no", retryAfterMs };
}

test("an orderly end goes on with a watch, or with a list when one is due", () => {
  const closed: Outcome = { kind: "closed", events: true };
  assert.deepEqual(decideNext(closed, AT, 0), { act: "watch", delayMs: 0, failures: 0 });
  const due = { ...AT, listAgeMs: 60_000 };
  assert.deepEqual(decideNext(closed, due, 0), { act: "list", delayMs: 0, failures: 0 });
});

test("a watch that ends without a word is a failure", () => {
  const next = decideNext({ kind: "closed", events: false }, AT, 0);
  assert.deepEqual(next, { act: "watch", delayMs: 125, failures: 1 });
});

test("410 lists at once the first time, and with a pause when it goes on", () => {
  assert.deepEqual(decideNext({ kind: "gone" }, AT, 0), { act: "list", delayMs: 0, failures: 1 });
  const again = decideNext({ kind: "gone" }, { ...AT, failures: 1 }, 0);
  assert.deepEqual(again, { act: "list", delayMs: 250, failures: 2 });
});

test("a list forgets no failures: only a watch that says something does", () => {
  const next = decideNext({ kind: "listed" }, { ...AT, failures: 3 }, 0);
  assert.deepEqual(next, { act: "watch", delayMs: 0, failures: 3 });
});

test("failures wait longer and longer, up to a bound, half of it by chance", () => {
  const waits = Array.from({ length: 12 }, (_, failures) => {
    const outcome: Outcome = { kind: "broken", problem: "reset" };
    const at = { ...AT, failures };
    return [decideNext(outcome, at, 0).delayMs, decideNext(outcome, at, 0.999999).delayMs];
  });
  for (const [low = 0, high = 0] of waits) assert.ok(low >= high / 2 - 1 && low <= high);
  assert.deepEqual(
    waits.map(([low]) => low),
    [125, 250, 500, 1000, 2000, 4000, 4000, 4000, 4000, 4000, 4000, 4000],
  );
});

test("a broken watch goes on where it was; without a version everything is listed", () => {
  const outcome: Outcome = { kind: "broken", problem: "reset" };
  assert.equal(decideNext(outcome, AT, 0).act, "watch");
  assert.equal(decideNext(outcome, { ...AT, synced: false }, 0).act, "list");
  assert.equal(decideNext({ kind: "malformed", problem: "x" }, AT, 0).act, "list");
});

test("Retry-After is obeyed up to a minute", () => {
  assert.equal(decideNext(refused(429, 5000), AT, 0).delayMs, 5000);
  assert.equal(decideNext(refused(429, 3_600_000), AT, 0).delayMs, 60_000);
  assert.equal(decideNext(refused(429), AT, 0).delayMs, 125);
});

test("credentials, throttling and broken servers keep the place; other refusals lose it", () => {
  for (const status of [401, 403, 429, 500, 503])
    assert.equal(decideNext(refused(status), AT, 0).act, "watch", String(status));
  for (const status of [400, 404, 422])
    assert.equal(decideNext(refused(status), AT, 0).act, "list", String(status));
});

test("what is told to operators names the next step where there is one", () => {
  assert.equal(troubleOf({ kind: "gone" }), undefined);
  assert.match(troubleOf(refused(403)) ?? "", /roles/);
  assert.match(troubleOf({ kind: "unknown-kind" }) ?? "", /nodemesh install/);
  assert.match(troubleOf(refused(500)) ?? "", /500/);
});
