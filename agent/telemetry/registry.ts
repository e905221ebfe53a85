/** What the agent's page of metrics shows: the workers' series, main's own, the process's. */

import { collectDefaultMetrics, Registry } from "prom-client";
import type { Collector } from "./collector.ts";
import type { Series } from "./exposition.ts";
import { type LabelsOf, METRIC_KEYS, type MetricKey, type MetricsOf, specOf } from "./metrics.ts";
import { MetricsPage, type PageSeries } from "./metrics-page.ts";
import { familiesOf } from "./prom-client.ts";

/** One value of a metric that main knows by itself. */
export interface Reading<K extends MetricKey = MetricKey> {
  readonly labels: LabelsOf<K>;
  readonly value: number;
}

/** Metrics that main reads by asking. */
export type AgentMetric = MetricsOf<"counter" | "gauge", "agent">;

/** How to read each of main's own metrics; asked at every scrape; must not throw. */
export type AgentReadings = { readonly [K in AgentMetric]: () => readonly Reading<K>[] };

/** Builds the page: workers' series from `collector`, main's own from `readings`, the process's from prom-client. */
export function buildPage(collector: Collector, readings: AgentReadings): MetricsPage {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const beginnings = beginningsOf(readings);
  return new MetricsPage({
    clock: () => performance.now(),
    read: async () => {
      const process = await familiesOf(registry);
      // Once per page, so that all metrics of it are of one moment.
      const counted = collector.collect();
      const read = (key: MetricKey): readonly PageSeries[] =>
        isAgentMetric(key, readings)
          ? readings[key]().map(({ labels, value }) => {
              const from = beginnings.get(nameOf(key, labels)) ?? 0;
              return { labels, values: [value], from };
            })
          : (counted.get(key) ?? []);
      const own = METRIC_KEYS.map((key) => ({ spec: specOf(key), series: read(key) }));
      return [...own, ...process];
    },
  });
}

/** What main's counters were when this agent began: the kernel's outlive agents, and go on from there. */
function beginningsOf(readings: AgentReadings): ReadonlyMap<string, number> {
  const counters = METRIC_KEYS.filter((key) => specOf(key).kind === "counter");
  const own = counters.filter((key) => isAgentMetric(key, readings));
  return new Map(
    own.flatMap((key) =>
      readings[key]().map(({ labels, value }): [string, number] => [nameOf(key, labels), value]),
    ),
  );
}

function nameOf(key: MetricKey, labels: Series["labels"]): string {
  return JSON.stringify([key, labels]);
}

function isAgentMetric(key: MetricKey, readings: AgentReadings): key is AgentMetric {
  return key in readings;
}
