/**
 * deploy/grafana: dashboards as code. A dashboard is a plain value (mesh.ts, service.ts, …) of rows, panels and queries;
 * render.ts makes Grafana's JSON of it with Grafana's own SDK; `npm run gen` writes that to json/, which is what users
 * import. The values are what tests read: every query is run against a real Prometheus.
 *
 * This file: what a dashboard is made of, and the words that several share.
 */

/** Units of Grafana that are used here. */
export type Unit =
  | "reqps"
  | "percentunit"
  | "s"
  | "bytes"
  | "Bps"
  | "short"
  | "ops"
  | "cps"
  | "none";

/** One query of a panel. */
export interface Query {
  /** PromQL; may name the dashboard's variables. */
  readonly expr: string;
  /** With `{{label}}` for labels; in tables the column's title. */
  readonly legend: string;
}

/** A value from which on a panel shows another colour, and the word for it: colours alone tell colour-blind people nothing. */
export interface Threshold {
  readonly from: number;
  readonly level: "good" | "warning" | "bad";
}

/** One panel. */
export interface PanelSpec {
  readonly title: string;
  /** What is shown, and what to do about it. */
  readonly description: string;
  readonly kind: "series" | "stat" | "table";
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** Of 24 columns. */
  readonly width: number;
  readonly thresholds?: readonly Threshold[];
  /** Nothing to show is the usual case, and what the panel says then. */
  readonly empty?: string;
  /** Dashboard that a row or series leads to, with the labels that it needs as its variables. */
  readonly link?: Link;
}

/** A way from one dashboard to another. */
export interface Link {
  readonly title: string;
  /** uid of the dashboard. */
  readonly to: string;
  /** Variable there by label here. */
  readonly labels: Readonly<Record<string, string>>;
  /** Variable there by variable here: what is chosen goes along. */
  readonly chosen?: Readonly<Record<string, string>>;
}

/** Panels under a heading. */
export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

/** What a viewer chooses. */
export type VariableSpec =
  | {
      readonly kind: "query";
      readonly name: string;
      readonly label: string;
      readonly metric: string;
      readonly of: string;
      readonly several: boolean;
    }
  | {
      readonly kind: "choice";
      readonly name: string;
      readonly label: string;
      readonly values: readonly string[];
    };

/** One dashboard. */
export interface DashboardSpec {
  /** Stable: links and bookmarks use it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly variables: readonly VariableSpec[];
  readonly rows: readonly RowSpec[];
}

/** Which side's count is shown. */
export const REPORTER: VariableSpec = {
  kind: "choice",
  name: "reporter",
  label: "Counted by",
  values: ["destination", "source"],
};

/** Prometheus must see a rate over more than one scrape; Grafana knows the scrape interval. */
const OVER = "[$__rate_interval]";

/** The rate of a counter. */
export function rate(metric: string, selector: string): string {
  return `rate(${metric}{${selector}}${OVER})`;
}

/** The sum of rates by labels; without labels in all. */
export function sumRate(metric: string, selector: string, by = ""): string {
  return `sum${by === "" ? "" : ` by (${by}) `}(${rate(metric, selector)})`;
}

/** Two counters whose quotient is a mean. */
export interface Mean {
  readonly sum: string;
  readonly count: string;
}

/** A mean over what was counted in the interval, by labels; nothing while nothing is counted. */
export function mean({ sum, count }: Mean, selector: string, by = ""): string {
  return `${sumRate(sum, selector, by)} / (${sumRate(count, selector, by)} > 0)`;
}

/** The share of requests that did not fail: 5xx and no answer at all are failures, whoever gave them. */
export function successRate(selector: string): string {
  const all = sumRate("nodemesh_http_requests_total", selector);
  const failed = sumRate("nodemesh_http_requests_total", `${selector},code=~"5..|none"`);
  // Without requests there is no share: nothing is better than "NaN".
  return `1 - (${failed} or vector(0)) / (${all} > 0)`;
}

/** Percentiles of a request's duration, one query each. */
export function durations(selector: string): readonly Query[] {
  return ([0.5, 0.95, 0.99] as const).map((q) => ({
    expr: `histogram_quantile(${q}, ${sumRate("nodemesh_http_request_duration_seconds_bucket", selector, "le")})`,
    legend: `p${q * 100}`,
  }));
}

/** Requests of people and programs: kubelet's probes are none. */
export const NO_PROBES = 'src_namespace!=""';

/** Success as operators of services see it: below 99.9 % is worth a look, below 99 % is an outage for someone. */
export const SUCCESS: readonly Threshold[] = [
  { from: 0, level: "bad" },
  { from: 0.99, level: "warning" },
  { from: 0.999, level: "good" },
];
