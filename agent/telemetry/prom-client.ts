/** What prom-client holds, as metrics of a page: of agent and control their process's, of control all. */

import type { MetricObjectWithValues, MetricValue, Registry } from "prom-client";
import type { Family, PageSeries } from "./metrics-page.ts";

type Held = MetricObjectWithValues<MetricValue<string>>;

/** Reads a registry. Throws a TypeError for a summary: nothing of ours is one. */
export async function familiesOf(registry: Registry): Promise<readonly Family[]> {
  const found: readonly Held[] = await registry.getMetricsAsJSON();
  return found.map((metric) => familyOf(metric));
}

function familyOf(metric: Held): Family {
  const { name, help, values } = metric;
  // The type is a const enum, the value is its word.
  const kind = String(metric.type);
  if (kind === "counter" || kind === "gauge")
    return { spec: { name, help, kind }, series: values.map(seriesOf) };
  if (kind === "histogram") return histogramOf(metric);
  throw new TypeError(`${name} is a ${kind}: only counters, gauges and histograms are shown`);
}

function seriesOf({ labels, value }: MetricValue<string>): PageSeries {
  return { labels: textsOf(labels), values: [value] };
}

/** Buckets come one by one, cumulative, each with its bound among the labels. */
function histogramOf({ name, help, values }: Held): Family {
  const rows = Map.groupBy(values, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  const bounds = new Set(values.map(({ labels }) => Number(labels["le"])));
  const buckets = [...bounds].filter(Number.isFinite);
  const series = [...rows.values()].map((row): PageSeries => {
    const { le: _, ...labels } = row[0]?.labels ?? {};
    const counts = row.filter(({ labels: { le } }) => le !== undefined).map(({ value }) => value);
    const sum = row.find((one) => nameOf(one) === `${name}_sum`)?.value ?? 0;
    const each = counts.map((count, i) => count - (counts[i - 1] ?? 0));
    return { labels: textsOf(labels), values: [...each, sum] };
  });
  return { spec: { name, help, kind: "histogram", buckets }, series };
}

function nameOf(value: MetricValue<string>): unknown {
  return "metricName" in value ? value.metricName : undefined;
}

function textsOf(labels: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}
