/**
 * Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats"), written from the table of metrics and
 * the series as they are: nothing is copied into another library first, so a scrape costs what its text costs.
 */

import type { MetricSpec } from "./metrics.ts";

/** What the text's readers are told it is. */
export const TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8";

/** One series. */
export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  /** One number; of a histogram its count per bucket (not cumulative), that of +Inf, and the sum. */
  readonly values: ArrayLike<number>;
}

/** Label texts by labels: series keep their labels' object for as long as they live. */
const LABEL_TEXTS = new WeakMap<Series["labels"], string>();

/** What a metric's text needs to know of it. */
export type Described = Pick<MetricSpec, "name" | "help" | "kind" | "buckets">;

/** A metric with all its series: HELP, TYPE, then a line per number. Ends with a newline. */
export function exposeMetric(spec: Described, series: readonly Series[]): string {
  const { name, help, kind } = spec;
  let text = `# HELP ${name} ${escaped(help, false)}\n# TYPE ${name} ${kind}\n`;
  for (const one of series)
    text +=
      kind === "histogram"
        ? histogramLines(spec, one)
        : `${name}${braced(labelText(one.labels))} ${numberText(one.values[0])}\n`;
  return text;
}

function histogramLines({ name, buckets = [] }: Described, { labels, values }: Series): string {
  const text = labelText(labels);
  const before = `${name}_bucket{${text}${text === "" ? "" : ","}le="`;
  let lines = "";
  let count = 0;
  for (let i = 0; i < buckets.length; i++) {
    count += values[i] ?? 0;
    lines += `${before}${buckets[i]}"} ${count}\n`;
  }
  count += values[buckets.length] ?? 0;
  const all = braced(text);
  const sum = numberText(values[buckets.length + 1]);
  return `${lines}${before}+Inf"} ${count}\n${name}_sum${all} ${sum}\n${name}_count${all} ${count}\n`;
}

function braced(labels: string): string {
  return labels === "" ? "" : `{${labels}}`;
}

function labelText(labels: Series["labels"]): string {
  const known = LABEL_TEXTS.get(labels);
  if (known !== undefined) return known;
  const text = Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value, true)}"`)
    .join(",");
  LABEL_TEXTS.set(labels, text);
  return text;
}

function escaped(text: string, quotes: boolean): string {
  const lines = text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  return quotes ? lines.replaceAll('"', '\\"') : lines;
}

function numberText(value: number | undefined = 0): string {
  if (value === Number.POSITIVE_INFINITY) return "+Inf";
  return value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
}
