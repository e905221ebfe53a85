import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { parseExposition } from "../../test/support/exposition.ts";
import { readOpenMetrics } from "../../test/support/openmetrics.ts";
import { ENDS, exposeMetric, type Series } from "./exposition.ts";
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
        'took_seconds_bucket{le="1.0"} 2',
        'took_seconds_bucket{le="+Inf"} 3',
        "took_seconds_sum 7.5",
        "took_seconds_count 3",
        "",
      ].join("\n"),
    );
    const labelled = exposeMetric(HISTOGRAM, [{ labels: { a: "b" }, values: [0, 1, 0, 1] }]);
    assert.ok(labelled.includes('took_seconds_bucket{a="b",le="1.0"} 1\n'), labelled);
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

describe("a metric in OpenMetrics", () => {
  const odd = { who: 'a "b" \\ c\nd' };

  function open(spec: MetricSpec, series: readonly Series[]): string {
    return exposeMetric(spec, series, "openmetrics");
  }

  test("has its name without the ending of its samples, and its unit", () => {
    const counter = { ...COUNTER, name: "carried_bytes_total" };
    assert.equal(
      open(counter, [{ labels: { who: "" }, values: [3] }]),
      [
        "# TYPE carried_bytes counter",
        "# UNIT carried_bytes bytes",
        "# HELP carried_bytes What was\\nseen by \\\\ us.",
        'carried_bytes_total{who=""} 3',
        "",
      ].join("\n"),
    );
  });

  test("is understood by the reference reader as it was meant", () => {
    const gauge: MetricSpec = { ...COUNTER, kind: "gauge", labels: [] };
    const help = 'The "first" \\ of\nmany.';
    const page =
      open({ ...COUNTER, help }, [{ labels: odd, values: [3] }]) +
      open({ ...HISTOGRAM, buckets: [0, 0.0005, 1, 1e6, 2.5e12] }, [
        { labels: {}, values: [1, 2, 0, 1, 0, 1, 7.5] },
        { labels: odd, values: [] },
      ]) +
      open({ ...gauge, name: "level_bytes" }, [{ labels: {}, values: [Number.NaN] }]) +
      open({ ...gauge, name: "build_info" }, [{ labels: odd, values: [1] }]) +
      open({ ...COUNTER, name: "never_total" }, []) +
      ENDS.openmetrics;
    const families = readOpenMetrics(page);
    assert.deepEqual(
      [...families.values()].map(({ name, type, unit }) => [name, type, unit]),
      [
        ["seen", "counter", ""],
        ["took_seconds", "histogram", "seconds"],
        ["level_bytes", "gauge", "bytes"],
        ["build", "info", ""],
        ["never", "counter", ""],
      ],
    );
    assert.equal(families.get("seen")?.help, help);
    assert.deepEqual(families.get("seen")?.samples, [
      { name: "seen_total", labels: odd, value: 3 },
    ]);
    const took = families.get("took_seconds")?.samples ?? [];
    const first = took.filter(({ labels }) => labels["who"] === undefined);
    assert.deepEqual(
      first.map(({ labels, value }) => [labels["le"], value]),
      [
        ["0.0", 1],
        ["0.0005", 3],
        ["1.0", 3],
        ["1e+06", 4],
        ["2.5e+12", 4],
        ["+Inf", 5],
        [undefined, 7.5],
        [undefined, 5],
      ],
    );
  });

  test("that is wrong is refused by the reference reader", () => {
    const good = open(COUNTER, [{ labels: odd, values: [3] }]);
    assert.throws(() => readOpenMetrics(good), /Missing # EOF/);
    const renamed = good.replace("# TYPE seen ", "# TYPE seen_total ") + ENDS.openmetrics;
    assert.throws(() => readOpenMetrics(renamed), SyntaxError);
  });
});
