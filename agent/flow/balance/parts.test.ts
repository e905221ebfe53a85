import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { AffinityTable } from "./affinity.ts";
import { hashBytes, hashText } from "./hash.ts";
import { liveEndpoint } from "./live-endpoint.ts";
import { isGatewayFailure } from "./outlier.ts";
import { RetryBudget } from "./retry-budget.ts";

describe("hash", () => {
  test("bytes and text agree on ASCII, and stay unsigned 32 bits", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme-ascii" }), (text) => {
        const bytes = new TextEncoder().encode(`<${text}>`);
        const hash = hashText(text);
        assert.equal(hashBytes(bytes, 1, bytes.length - 1), hash);
        assert.ok(Number.isInteger(hash) && hash >= 0 && hash < 2 ** 32);
      }),
    );
  });
});

describe("retry budget", () => {
  test("allows the seconds' minimum at once, then a fifth of the requests", () => {
    let now = 0;
    const budget = new RetryBudget({ retryRatio: 0.2, retriesPerSecond: 10 }, () => now);
    const spend = () => {
      let granted = 0;
      while (budget.withdraw()) granted++;
      return granted;
    };
    assert.equal(spend(), 10);
    for (let i = 0; i < 100; i++) budget.deposit();
    assert.ok(Math.abs(spend() - 20) <= 1);
    now = 500;
    assert.equal(spend(), 5);
    now = 3_600_000;
    assert.equal(spend(), 10, "a quiet hour saves no more than a second's worth");
  });

  test("never grants more than ratio × requests + rate × time + what is saved", () => {
    const round = fc.record({ waitMs: fc.nat(500), requests: fc.nat(50), retries: fc.nat(50) });
    fc.assert(
      fc.property(fc.array(round), (rounds) => {
        const time = { now: 0 };
        const budget = new RetryBudget({ retryRatio: 0.2, retriesPerSecond: 10 }, () => time.now);
        const granted = rounds.map((one) => {
          time.now += one.waitMs;
          for (let i = 0; i < one.requests; i++) budget.deposit();
          return Array.from({ length: one.retries }, () => budget.withdraw()).filter(Boolean)
            .length;
        });
        const requests = sum(rounds.map((one) => one.requests));
        assert.ok(sum(granted) <= 0.2 * requests + (10 * time.now) / 1_000 + 10 + 1e-6);
      }),
    );
  });
});

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}

describe("affinity table", () => {
  test("remembers no more than it has room for, and forgets the least recently used first", () => {
    const table = new AffinityTable(1_000, 8);
    const one = liveEndpoint({ address: "10.0.0.1", port: 80, state: "ready" }, 1);
    for (let client = 0; client < 8; client++) table.set(client, one, client);
    table.get(0, 9);
    table.set(0, one, 9);
    table.set(100, one, 10);
    assert.equal(table.get(1, 10), undefined);
    assert.equal(table.get(0, 10), one);
    assert.equal(table.get(100, 10), one);
    assert.equal(table.get(100, 1_010), undefined);
  });
});

test("500 and 501 are the application's own words; 502, 503 and 504 speak against the endpoint", () => {
  assert.deepEqual(
    [200, 404, 429, 500, 501, 502, 503, 504, 505].filter(isGatewayFailure),
    [502, 503, 504],
  );
});
