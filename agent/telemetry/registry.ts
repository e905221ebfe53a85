/** The page of metrics: everything is read when a scraper asks, nothing is kept twice. */

import { collectDefaultMetrics, Registry } from "prom-client";
import type { Collector } from "./collector.ts";
import { exposeMetric, type Series, TEXT_FORMAT } from "./exposition.ts";
import type { Scrapeable } from "./get-server.ts";
import { type LabelsOf, METRIC_KEYS, type MetricKey, type MetricsOf, specOf } from "./metrics.ts";

/** One value of a metric that main knows by itself. */
export interface Reading<K extends MetricKey = MetricKey> {
  readonly labels: LabelsOf<K>;
  readonly value: number;
}

/** Metrics that main reads by asking. */
export type AgentMetric = MetricsOf<"counter" | "gauge", "agent">;

/** How to read each of main's own metrics; asked at every scrape; must not throw. */
export type AgentReadings = { readonly [K in AgentMetric]: () => readonly Reading<K>[] };

/** Builds the registry: workers' series from `collector`, main's own from `readings`, the process's from prom-client. */
export function buildRegistry(collector: Collector, readings: AgentReadings): Scrapeable {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    contentType: TEXT_FORMAT,
    metrics: async () => {
      // Once per scrape, so that all metrics of a page are of one moment.
      const counted = collector.collect();
      const read = (key: MetricKey): readonly Series[] =>
        isAgentMetric(key, readings)
          ? readings[key]().map(({ labels, value }) => ({ labels, values: [value] }))
          : (counted.get(key) ?? []);
      const own = METRIC_KEYS.map((key) => exposeMetric(specOf(key), read(key)));
      // prom-client writes "Nan" where the format says "NaN" (the event loop's lag has no mean at first).
      const process = (await registry.metrics()).replace(/ Nan$/gm, " NaN");
      return own.join("") + process;
    },
  };
}

function isAgentMetric(key: MetricKey, readings: AgentReadings): key is AgentMetric {
  return key in readings;
}
