/** Panels' figures beside what clients have measured, at several moments while their load went on. */

import { specOf } from "../../../agent/telemetry/metrics.ts";
import type { Seen } from "../../support/panels.ts";
import type { Prometheus } from "../../support/prometheus.ts";
import {
  distance,
  endedIn,
  type Figure,
  figuresOf,
  type Metered,
  mean,
  meanSeconds,
  selectedBy,
} from "./figures.ts";

/** Panels are looked at so often, a second apart: one look would tell of the hiccups of its first and last second. */
const LOOKS = 6;
/** How far a panel's figure may be from what clients measured; a quantile one bucket. */
const TOLERANCE = 0.02;

/** Of the histogram of durations, in seconds. */
const { buckets: BOUNDS = [] } = specOf("httpDuration");

/** What is compared. */
export interface Comparison {
  readonly prometheus: Prometheus;
  readonly seen: readonly Seen[];
  readonly requests: readonly Metered[];
  /** The last moment at which all loads had gone on for long, milliseconds since 1970. */
  readonly steadyMs: number;
  /** Over so many seconds rates are taken. */
  readonly rateSeconds: number;
  /** Those that ask for what is slow. Of what is fast a client on a busy machine measures itself. */
  readonly slowClients: readonly string[];
}

/** What a figure was, and what it should have been. */
export interface Compared {
  readonly what: string;
  readonly kind: Figure["kind"];
  readonly shown: number;
  readonly measured: number;
  /** In buckets for a quantile, else as a share. */
  readonly off: number;
  readonly right: boolean;
}

/** Every figure that clients can tell, and the mean durations that no panel shows. */
export async function compareFigures(comparison: Comparison): Promise<readonly Compared[]> {
  const compared: Compared[] = [];
  for (const one of comparison.seen)
    for (const { figure, of } of comparable(comparison, one))
      compared.push(await compare(comparison, nameOf(one, figure), one.query, { figure, of }));
  for (const client of comparison.slowClients)
    for (const reporter of ["source", "destination"])
      compared.push(await compareMean(comparison, client, reporter));
  return compared;
}

/** How many were compared, and which was off the most, in words. */
export function worstOf(compared: readonly Compared[]): string {
  const [worst] = compared
    .filter(({ kind }) => kind !== "quantile")
    .toSorted((one, other) => other.off - one.off);
  const share = ((worst?.off ?? Number.NaN) * 100).toFixed(2);
  return `${compared.length} figures compared, the worst by ${share} % (${worst?.what})`;
}

interface Told {
  readonly figure: Figure;
  /** The requests that it is of. */
  readonly of: readonly Metered[];
}

/** The figures of a panel that clients can tell. */
function comparable({ requests, slowClients }: Comparison, one: Seen): readonly Told[] {
  const of = selectedBy(requests, one);
  if (of === undefined) return [];
  const slow = of.some(({ client }) => slowClients.includes(client));
  const figures = figuresOf(one, of).filter(({ kind }) => slow || kind === "number");
  return figures.map((figure) => ({ figure, of }));
}

function nameOf({ dashboard, panel, chosen }: Seen, { labels }: Figure): string {
  return `${dashboard.title}: ${panel.title} ${JSON.stringify({ ...chosen, ...labels })}`;
}

/** Looks at a figure at several moments while all loads went on. */
async function compare(
  { prometheus, steadyMs, rateSeconds }: Comparison,
  what: string,
  query: string,
  { figure, of }: Told,
): Promise<Compared> {
  const { kind, labels, of: should } = figure;
  const moments = Array.from({ length: LOOKS }, (_, i) => steadyMs - i * 1000);
  const has = async (at: number): Promise<number> => {
    const named = (await prometheus.query(query, at)).find(({ metric }) =>
      Object.entries(labels).every(([name, value]) => metric[name] === value),
    );
    return named?.value ?? Number.NaN;
  };
  const shown = mean(await Promise.all(moments.map(has)));
  const measured = mean(moments.map((at) => should(endedIn(of, at, rateSeconds), rateSeconds)));
  const off = distance(figure, shown, measured, BOUNDS);
  const right = off <= (kind === "quantile" ? 1 : TOLERANCE);
  return { what, kind, shown, measured, off, right };
}

/** The mean duration of a client's requests: more than the buckets tell. */
function compareMean(comparison: Comparison, client: string, reporter: string): Promise<Compared> {
  const of = comparison.requests.filter((one) => one.client === client);
  const rate = (part: string): string =>
    `sum(rate(nodemesh_http_request_duration_seconds_${part}{reporter="${reporter}",src_namespace="${of[0]?.namespace}",src_workload="${client}"}[${comparison.rateSeconds}s]))`;
  const figure: Figure = {
    kind: "number",
    labels: {},
    of: meanSeconds,
  };
  const query = `${rate("sum")} / ${rate("count")}`;
  return compare(comparison, `mean of ${client}, ${reporter}`, query, { figure, of });
}
