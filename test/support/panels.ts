/** Runs every query of every panel against a Prometheus, with every variable resolved as a viewer could choose it. */

import type { DashboardSpec, PanelSpec, VariableSpec } from "../../deploy/grafana/spec.ts";
import type { Prometheus, Sampled } from "./prometheus.ts";

/** What a panel's query answered. */
export interface Seen {
  readonly dashboard: DashboardSpec;
  readonly panel: PanelSpec;
  readonly query: string;
  /** What was chosen. */
  readonly chosen: Choice;
  readonly series: readonly Sampled[];
}

/** A value for each variable. */
export type Choice = Readonly<Record<string, string>>;

/** Over how many seconds a rate is taken: Grafana makes it at least four scrapes. */
const RATE_SECONDS = 10;

/** When is looked, and how far back. */
export interface Look {
  /** Milliseconds since 1970; now when absent. */
  readonly atMs?: number;
  /** Over how many seconds rates are taken. */
  readonly rateSeconds?: number;
}

/** All that a dashboard shows. */
export async function lookAt(
  prometheus: Prometheus,
  dashboard: DashboardSpec,
  { atMs, rateSeconds = RATE_SECONDS }: Look = {},
): Promise<readonly Seen[]> {
  const seen: Seen[] = [];
  for (const chosen of await choices(prometheus, dashboard.variables, {}))
    for (const { panels } of dashboard.rows)
      for (const panel of panels)
        for (const { expr } of panel.queries) {
          const query = resolved(expr, chosen, rateSeconds);
          const series = await prometheus.query(query, atMs);
          seen.push({ dashboard, panel, query, chosen, series });
        }
  return seen;
}

/** Every choice that a viewer can make: later variables depend on earlier ones. */
async function choices(
  prometheus: Prometheus,
  [first, ...others]: readonly VariableSpec[],
  before: Choice,
): Promise<readonly Choice[]> {
  if (first === undefined) return [before];
  const made: Choice[] = [];
  for (const value of await valuesOf(prometheus, first, before))
    made.push(...(await choices(prometheus, others, { ...before, [first.name]: value })));
  return made;
}

async function valuesOf(
  prometheus: Prometheus,
  variable: VariableSpec,
  before: Choice,
): Promise<readonly string[]> {
  if (variable.kind === "choice") return variable.values;
  const values = await prometheus.values(resolved(variable.metric, before), variable.of);
  // "All" of a variable that takes several.
  return variable.several ? [values.map(escaped).join("|")] : values;
}

function resolved(expr: string, chosen: Choice, rateSeconds: number = RATE_SECONDS): string {
  let text = expr.replaceAll("$__rate_interval", `${rateSeconds}s`);
  // The longer name first: one may begin with another.
  for (const name of Object.keys(chosen).sort((a, b) => b.length - a.length))
    text = text.replaceAll(`$${name}`, chosen[name] ?? "");
  return text;
}

function escaped(text: string): string {
  return text.replaceAll(".", "\\\\.");
}
