import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { METRIC_KEYS, specOf } from "../../agent/telemetry/metrics.ts";
import { controlMetrics } from "../../test/tools/control-metrics-doc.ts";
import { DASHBOARDS } from "./dashboards.ts";
import type { DashboardSpec, PanelSpec } from "./spec.ts";

interface Placed {
  readonly dashboard: DashboardSpec;
  readonly panel: PanelSpec;
  /** Where it is, for messages. */
  readonly at: string;
}

const PANELS: readonly Placed[] = DASHBOARDS.flatMap((dashboard) =>
  dashboard.rows.flatMap(({ panels }) =>
    panels.map((panel) => ({ dashboard, panel, at: `${dashboard.title}: ${panel.title}` })),
  ),
);

/** Labels of each metric that a query may name, also of what Prometheus adds to each. */
const ADDED = ["instance", "job"];
const LABELS: ReadonlyMap<string, readonly string[]> = new Map<string, string[]>([
  ...METRIC_KEYS.map(specOf).flatMap(({ name, kind, labels }) => named(name, kind, labels)),
  ...controlMetrics().flatMap(({ name, type, labelNames }) => named(name, type, labelNames)),
  // prom-client's own, of agents and of control.
  ...[
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "nodejs_eventloop_lag_p99_seconds",
  ].map((name): [string, string[]] => [name, ADDED]),
]);

function named(name: string, kind: string, labels: readonly string[]): [string, string[]][] {
  const all = [...labels, ...ADDED];
  if (kind !== "histogram") return [[name, all]];
  return ["_bucket", "_sum", "_count"].map((part) => [`${name}${part}`, [...all, "le"]]);
}

const METRIC = /\b(?:nodemesh|process|nodejs)_[a-z0-9_]+/g;

/** The labels that the metrics of a query have; fails when there is no such metric. */
function labelsOf(expr: string, at: string): readonly string[] {
  const metrics = expr.match(METRIC) ?? [];
  assert.ok(metrics.length > 0, `${at}: ${expr}`);
  return metrics.flatMap((metric) => {
    const known = LABELS.get(metric);
    assert.ok(known !== undefined, `${at}: there is no ${metric}`);
    return known;
  });
}

/** The labels that a query selects or groups by. */
function usedLabels(expr: string): readonly string[] {
  return [
    ...[...expr.matchAll(/([a-z_]+)(?:=|!=|=~|!~)"/g)].map(([, label = ""]) => label),
    ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(", ")),
  ];
}

describe("every dashboard", () => {
  test("has a uid, a title and variables of its own, and queries that use each of them", () => {
    assert.equal(new Set(DASHBOARDS.map(({ uid }) => uid)).size, DASHBOARDS.length);
    for (const { title, variables, rows } of DASHBOARDS) {
      const text = JSON.stringify([rows, variables]);
      for (const { name } of variables) assert.ok(text.includes(`$${name}`), `${title}: ${name}`);
      const names = variables.map(({ name }) => name);
      for (const [, name = ""] of text.matchAll(/\$(?!__)([a-z_]+)/g))
        assert.ok(names.includes(name), `${title} uses $${name}`);
    }
  });

  test("leads only to dashboards that are there, by variables that those have", () => {
    for (const { dashboard, panel, at } of PANELS) {
      if (panel.link === undefined) continue;
      const to = DASHBOARDS.find(({ uid }) => uid === panel.link?.to);
      assert.ok(to !== undefined, at);
      const { labels, chosen = {} } = panel.link;
      for (const variable of [...Object.keys(labels), ...Object.keys(chosen)])
        assert.ok(
          to.variables.some(({ name }) => name === variable),
          `${at}: ${variable}`,
        );
      const query = panel.queries[0]?.expr ?? "";
      for (const label of Object.values(labels))
        assert.ok(query.includes(label), `${at}: no row has ${label}`);
      for (const variable of Object.values(chosen))
        assert.ok(
          dashboard.variables.some(({ name }) => name === variable),
          `${at}: ${variable}`,
        );
    }
  });
});

describe("every panel", () => {
  test("says what it shows and what to do, in a unit, with a legend", () => {
    for (const { panel, at } of PANELS) {
      assert.ok(panel.description.length >= 25 && panel.description.endsWith("."), at);
      assert.ok(panel.queries.length > 0 && panel.width > 0 && panel.width <= 24, at);
      for (const { legend } of panel.queries) assert.notEqual(legend, "", at);
    }
    const titles = PANELS.map(({ at }) => at);
    assert.deepEqual(
      titles.filter((title, i) => titles.indexOf(title) !== i),
      [],
      "two panels of one dashboard have the same title",
    );
  });

  test("fills its rows", () => {
    for (const { title, rows } of DASHBOARDS)
      for (const row of rows) {
        const width = row.panels.reduce((sum, panel) => sum + panel.width, 0);
        assert.equal(width % 24, 0, `${title}: ${row.title} is ${width} wide`);
      }
  });

  test("asks for metrics and labels that are there", () => {
    for (const { panel, at } of PANELS)
      for (const { expr, legend } of panel.queries) {
        const labels = labelsOf(expr, at);
        for (const label of usedLabels(expr)) assert.ok(labels.includes(label), `${at}: ${label}`);
        const grouped = /by \(/.test(expr) || !/sum|max|avg|count/.test(expr);
        for (const [, label = ""] of legend.matchAll(/\{\{([a-z_]+)\}\}/g))
          assert.ok(grouped && labels.includes(label), `${at}: legend has ${label}`);
      }
  });

  test("takes rates over Grafana's own interval, and of counters alone", () => {
    const counters = [...LABELS.keys()].filter((name) => /_(?:total|bucket|sum|count)$/.test(name));
    for (const { panel, at } of PANELS)
      for (const { expr } of panel.queries)
        for (const [, metric = "", over = ""] of expr.matchAll(
          /rate\((\w+)\{[^}]*\}\[([^\]]*)\]/g,
        )) {
          assert.equal(over, "$__rate_interval", at);
          assert.ok(counters.includes(metric), `${at}: ${metric}`);
        }
  });
});

test("the committed files are these dashboards, and no panel is without id or place", () => {
  const folder = join(import.meta.dirname, "json");
  assert.deepEqual(readdirSync(folder).sort(), DASHBOARDS.map(({ uid }) => `${uid}.json`).sort());
  for (const name of readdirSync(folder)) {
    const { panels } = JSON.parse(readFileSync(join(folder, name), "utf8")) as {
      panels: { id?: number; gridPos?: { x: number; y: number; w: number; h: number } }[];
    };
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length, name);
    const taken = new Set<string>();
    for (const { gridPos } of panels) {
      assert.ok(gridPos !== undefined, name);
      const { x: left, y: top, w, h } = gridPos;
      for (let x = left; x < left + w; x++)
        for (let y = top; y < top + h; y++) {
          const place = `${x} ${y}`;
          assert.ok(!taken.has(place), `${name}: two panels at ${place}`);
          taken.add(place);
        }
    }
  }
});
