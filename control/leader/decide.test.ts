import assert from "node:assert/strict";
import { test } from "node:test";
import { decide, type LeaseWords, type Sighting, sight } from "./decide.ts";

function words(over: Partial<LeaseWords> = {}): LeaseWords {
  const renewed = "2026-01-01T00:00:00.000000Z";
  return { holder: "a", leaseMs: 10_000, renewed, transitions: 3, ...over };
}

function seen(over: Partial<LeaseWords> = {}): Sighting {
  return { words: words(over), since: 1000 };
}

test("no lease is made, one's own is renewed, a released one is taken", () => {
  assert.deepEqual(decide(undefined, "b", 1000), { kind: "create" });
  assert.deepEqual(decide(seen(), "a", 50_000), { kind: "renew" });
  assert.deepEqual(decide(seen({ holder: "" }), "b", 1000), { kind: "take", transitions: 4 });
});

test("a holder is followed until it was silent for its lease", () => {
  assert.deepEqual(decide(seen(), "b", 1000), { kind: "follow", lookInMs: 10_000 });
  assert.deepEqual(decide(seen(), "b", 10_999), { kind: "follow", lookInMs: 1 });
  assert.deepEqual(decide(seen(), "b", 11_000), { kind: "take", transitions: 4 });
});

test("silence counts from when we saw the last change, whatever the holder's clock says", () => {
  const first = sight(undefined, words(), 1000);
  assert.equal(sight(first, words(), 9000), first);
  // A holder whose clock stands in another year renews: that is a change all the same.
  const renewed = sight(first, words({ renewed: "1999-01-01T00:00:00.000000Z" }), 9000);
  assert.equal(renewed.since, 9000);
  assert.equal(decide(renewed, "b", 18_000).kind, "follow");
  // The same holder's name with another count is another term.
  assert.equal(sight(first, words({ transitions: 4 }), 9000).since, 9000);
});
