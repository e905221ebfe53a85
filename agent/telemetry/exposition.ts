/**
 * Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats"), and OpenMetrics 1.0.0 (its specification),
 * written from the table of metrics and the series as they are: nothing is copied into another library first, so a scrape
 * costs what its text costs. The series are the same in both, to the letter, so that nobody's change with who asks.
 */

import type { MetricSpec } from "./metrics.ts";

/** How metrics are written. */
export type Format = "text" | "openmetrics";

/** What the readers of each are told it is. */
export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** What a page ends with. */
export const ENDS: Readonly<Record<Format, string>> = { text: "", openmetrics: "# EOF\n" };

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

/** A metric with all its series: what it is, then a line per number. Ends with a newline. */
export function exposeMetric(
  spec: Described,
  series: readonly Series[],
  format: Format = "text",
): string {
  const { name, kind } = spec;
  let text = format === "text" ? textHead(spec) : openHead(spec);
  const bounds = (spec.buckets ?? []).map(boundText);
  for (const one of series)
    text +=
      kind === "histogram"
        ? histogramLines(name, bounds, one)
        : `${name}${braced(labelText(one.labels))} ${numberText(one.values[0])}\n`;
  return text;
}

function textHead({ name, help, kind }: Described): string {
  return `# HELP ${name} ${escaped(help, false)}\n# TYPE ${name} ${kind}\n`;
}

/** Counters and infos are called by their names without the ending that their samples have. */
function openHead({ name, help, kind }: Described): string {
  const isInfo = kind === "gauge" && name.endsWith("_info");
  const type = isInfo ? "info" : kind;
  const ending = { counter: "_total", info: "_info", gauge: "", histogram: "" }[type];
  const family = name.endsWith(ending) ? name.slice(0, name.length - ending.length) : name;
  const unit = /_(seconds|bytes)$/.exec(family)?.[1];
  const units = unit === undefined ? "" : `# UNIT ${family} ${unit}\n`;
  return `# TYPE ${family} ${type}\n${units}# HELP ${family} ${escaped(help, true)}\n`;
}

function histogramLines(
  name: string,
  bounds: readonly string[],
  { labels, values }: Series,
): string {
  const text = labelText(labels);
  const before = `${name}_bucket{${text}${text === "" ? "" : ","}le="`;
  let lines = "";
  let count = 0;
  // An OpenMetrics bucket may end with an exemplar, ` # {trace_id="…"} value`: here, once requests have trace ids.
  for (let i = 0; i < bounds.length; i++) {
    count += values[i] ?? 0;
    lines += `${before}${bounds[i]}"} ${count}\n`;
  }
  count += values[bounds.length] ?? 0;
  const all = braced(text);
  const sum = numberText(values[bounds.length + 1]);
  return `${lines}${before}+Inf"} ${count}\n${name}_sum${all} ${sum}\n${name}_count${all} ${count}\n`;
}

/** As OpenMetrics and Prometheus 3 write the values of `le`: with a point or an exponent. */
function boundText(bound: number): string {
  if (bound >= 1e6 || (bound > 0 && bound < 1e-4))
    return bound.toExponential().replace(/(?<=[+-])\d$/, "0$&");
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
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
