/** The bridge to prom-client: everything is read when a scraper asks, nothing is kept twice. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Collector, Sample } from "./collector.ts";
import type { Scrapeable } from "./get-server.ts";
import {
  type LabelsOf,
  METRIC_KEYS,
  type MetricKey,
  type MetricSpec,
  type MetricsOf,
  specOf,
} from "./metrics.ts";

/** One value of a metric that main knows by itself. */
export interface Reading<K extends MetricKey = MetricKey> {
  readonly labels: LabelsOf<K>;
  readonly value: number;
}

/** Metrics that main reads by asking. */
export type AgentMetric = MetricsOf<"counter" | "gauge", "agent">;

/** How to read each of main's own metrics; asked at every scrape; must not throw. */
export type AgentReadings = { readonly [K in AgentMetric]: () => readonly Reading<K>[] };

/** A histogram whose buckets are counted elsewhere. */
class SharedHistogram extends Histogram {
  readonly #spec: MetricSpec;
  readonly #read: () => readonly Sample[];

  constructor(spec: MetricSpec, read: () => readonly Sample[], registry: Registry) {
    super({
      name: spec.name,
      help: spec.help,
      labelNames: [...spec.labels],
      buckets: [...(spec.buckets ?? [])],
      registers: [registry],
    });
    this.#spec = spec;
    this.#read = read;
  }

  /** What prom-client's registry prints instead of get(). */
  async getForPromString(): Promise<object> {
    const { name, help, buckets = [] } = this.#spec;
    const values = this.#read().flatMap((sample) => histogramLines(name, buckets, sample));
    return { name, help, type: "histogram", aggregator: "sum", values };
  }
}

/** Builds the registry: workers' series from `collector`, main's own from `readings`, and the process's. */
export function buildRegistry(collector: Collector, readings: AgentReadings): Scrapeable {
  const registry = new Registry();
  let samples: ReadonlyMap<MetricKey, readonly Sample[]> = new Map();
  for (const key of METRIC_KEYS) {
    const read = isAgentMetric(key, readings)
      ? () => readings[key]().map(({ labels, value }) => ({ labels, values: [value] }))
      : () => samples.get(key) ?? [];
    register(registry, specOf(key), read);
  }
  collectDefaultMetrics({ register: registry });
  return {
    contentType: registry.contentType,
    metrics: async () => {
      // Once per scrape, so that all metrics of a page are of one moment. Nothing awaits before it is read.
      samples = collector.collect();
      // prom-client writes "Nan" where the format says "NaN" (the event loop's lag has no mean at first).
      return (await registry.metrics()).replace(/ Nan$/gm, " NaN");
    },
  };
}

type AnySample = {
  readonly labels: Readonly<Record<string, string>>;
  readonly values: ArrayLike<number>;
};

function register(registry: Registry, spec: MetricSpec, read: () => readonly AnySample[]): void {
  const common = {
    name: spec.name,
    help: spec.help,
    labelNames: [...spec.labels],
    registers: [registry],
  };
  switch (spec.kind) {
    case "histogram":
      new SharedHistogram(spec, read as () => readonly Sample[], registry);
      return;
    case "counter":
      new Counter({
        ...common,
        collect() {
          this.reset();
          for (const { labels, values } of read()) this.inc({ ...labels }, values[0] ?? 0);
        },
      });
      return;
    case "gauge":
      new Gauge({
        ...common,
        collect() {
          this.reset();
          for (const { labels, values } of read()) this.set({ ...labels }, values[0] ?? 0);
        },
      });
  }
}

function isAgentMetric(key: MetricKey, readings: AgentReadings): key is AgentMetric {
  return key in readings;
}

function histogramLines(name: string, bounds: readonly number[], sample: AnySample): object[] {
  const lines: object[] = [];
  let count = 0;
  bounds.forEach((bound, i) => {
    count += sample.values[i] ?? 0;
    lines.push(bucketLine(name, { ...sample.labels, le: String(bound) }, count));
  });
  count += sample.values[bounds.length] ?? 0;
  lines.push(bucketLine(name, { ...sample.labels, le: "+Inf" }, count));
  const sum = sample.values[bounds.length + 1] ?? 0;
  lines.push({ metricName: `${name}_sum`, labels: sample.labels, value: sum });
  lines.push({ metricName: `${name}_count`, labels: sample.labels, value: count });
  return lines;
}

function bucketLine(name: string, labels: Readonly<Record<string, string>>, value: number): object {
  return { metricName: `${name}_bucket`, labels, value };
}
