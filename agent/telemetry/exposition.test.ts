import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseExposition } from "../../test/support/exposition.ts";
import { exposeMetric } from "./exposition.ts";
import type { MetricSpec } from "./metrics.ts";

const COUNTER: MetricSpec = {
  name: "seen_total",
  kind: "counter",
  source: "worker",
  help: "What was\nseen by \\ us.",
  labels: ["who"],
};
const HISTOGRAM: MetricSpec = {
  name: "took_seconds",
  kind: "histogram",
  source: "worker",
  help: "How long it took.",
  labels: [],
  buckets: [0.5, 1],
};

describe("a metric's text", () => {
  test("is HELP, TYPE and a line per series, escaped as the format says", () => {
    const odd = { labels: { who: 'a "b" \\ c\nd' }, values: [3] };
    assert.equal(
      exposeMetric(COUNTER, [odd, { labels: { who: "" }, values: [0.25] }]),
      [
        "# HELP seen_total What was\\nseen by \\\\ us.",
        "# TYPE seen_total counter",
        'seen_total{who="a \\"b\\" \\\\ c\\nd"} 3',
        'seen_total{who=""} 0.25',
        "",
      ].join("\n"),
    );
  });

  test("of a histogram has cumulative buckets, sum and count, with and without labels", () => {
    assert.equal(
      exposeMetric(HISTOGRAM, [{ labels: {}, values: [2, 0, 1, 7.5] }]),
      [
        "# HELP took_seconds How long it took.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{le="0.5"} 2',
        'took_seconds_bucket{le="1"} 2',
        'took_seconds_bucket{le="+Inf"} 3',
        "took_seconds_sum 7.5",
        "took_seconds_count 3",
        "",
      ].join("\n"),
    );
    const labelled = exposeMetric(HISTOGRAM, [{ labels: { a: "b" }, values: [0, 1, 0, 1] }]);
    assert.ok(labelled.includes('took_seconds_bucket{a="b",le="1"} 1\n'), labelled);
  });

  test("writes the numbers that have no digits as the format does", () => {
    const gauge: MetricSpec = { ...COUNTER, name: "level", kind: "gauge", labels: [] };
    for (const [value, text] of [
      [Number.NaN, "NaN"],
      [Number.POSITIVE_INFINITY, "+Inf"],
      [Number.NEGATIVE_INFINITY, "-Inf"],
      [1e21, "1e+21"],
    ] as const)
      assert.ok(exposeMetric(gauge, [{ labels: {}, values: [value] }]).endsWith(`level ${text}\n`));
  });

  test("without series is still announced, and what is escaped is read back", () => {
    assert.ok(exposeMetric(COUNTER, []).endsWith("counter\n"));
    const label = 'x\\n"\n\\';
    const page = exposeMetric(COUNTER, [{ labels: { who: label }, values: [1] }]);
    assert.deepEqual(parseExposition(page).get("seen_total")?.samples[0]?.labels, { who: label });
  });
});
