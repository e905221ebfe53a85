import assert from "node:assert/strict";
import { test } from "node:test";
import { renderAgentMetrics } from "./docs.ts";
import { MAX_BUCKETS, METRIC_KEYS, specOf } from "./metrics.ts";

const specs = METRIC_KEYS.map(specOf);

test("every label is explained", () => {
  assert.ok(!renderAgentMetrics().includes("` |  |"));
});

test("names follow the OpenMetrics rules: prefix, base units, _total for counters and only for them", () => {
  for (const { name, kind } of specs) {
    assert.match(name, /^nodemesh_[a-z][a-z_]*[a-z]$/);
    assert.equal(name.endsWith("_total"), kind === "counter", name);
    assert.doesNotMatch(name, /_(ms|milliseconds|kb|count|sum|bucket)(_|$)/);
  }
  assert.equal(new Set(specs.map((spec) => spec.name)).size, specs.length);
});

test("only histograms have buckets; they rise and fit a row", () => {
  for (const { name, kind, buckets } of specs) {
    assert.equal(buckets !== undefined, kind === "histogram", name);
    if (buckets === undefined) continue;
    assert.ok(buckets.length <= MAX_BUCKETS);
    assert.deepEqual(
      [...buckets],
      [...new Set(buckets)].toSorted((a, b) => a - b),
    );
  }
});
