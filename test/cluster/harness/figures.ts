/** What panels should show of requests that their clients have measured. Pure. */

import type { Seen } from "../../support/panels.ts";

/** One request, as its client saw it. */
export interface Metered {
  readonly namespace: string;
  /** Workload that asked. */
  readonly client: string;
  /** Whether it is enrolled: only then is there a count of its own agent. */
  readonly enrolled: boolean;
  /** Workload that answered, by which Service; `unknown` when the mesh refused it. */
  readonly server: string;
  readonly service: string;
  /** When its answer had come, milliseconds since 1970. */
  readonly endedMs: number;
  readonly durationMs: number;
  /** Status; 0 when there was no answer. */
  readonly code: number;
  /** Of the answer's body. */
  readonly bytes: number;
}

/**
 * A figure of a panel, and what it should be of requests. A quantile is known by its bucket only; a `time` is that of slow
 * requests, beside which what a client measures of itself is small.
 */
export interface Figure {
  readonly kind: "number" | "quantile" | "time";
  /** Labels of the panel's series that it is. */
  readonly labels: Readonly<Record<string, string>>;
  /** What it should be, of the requests that ended in so many seconds. */
  readonly of: (ended: readonly Metered[], seconds: number) => number;
}

/** Requests that ended in the `seconds` before a moment (milliseconds since 1970), that moment included. */
export function endedIn(
  all: readonly Metered[],
  atMs: number,
  seconds: number,
): readonly Metered[] {
  return all.filter(({ endedMs }) => endedMs > atMs - seconds * 1000 && endedMs <= atMs);
}

/** Those of the requests that a panel is about, by what is chosen; undefined when it is about none of them. */
export function selectedBy(
  all: readonly Metered[],
  { dashboard, chosen, panel }: Seen,
): readonly Metered[] | undefined {
  const selects = SELECTS[dashboard.uid];
  // The dashboard of a workload shows what its own agents count.
  const reporter = PANEL_REPORTER[panel.title] ?? chosen["reporter"] ?? "destination";
  const found = all.filter(
    (one) =>
      selects?.(one, chosen) === true &&
      (reporter === "destination" ? one.server !== "unknown" : one.enrolled),
  );
  return found.length === 0 ? undefined : found;
}

/** Panels that show one agent's view, whatever is chosen. */
const PANEL_REPORTER: Readonly<Record<string, string>> = {
  "Seen from the client's node": "source",
  "Seen from the server's node": "destination",
};

const SELECTS: Readonly<Record<string, (of: Metered, chosen: Seen["chosen"]) => boolean>> = {
  "nodemesh-pair": (of, chosen) =>
    chosen["src_namespace"] === of.namespace &&
    chosen["src_workload"] === of.client &&
    chosen["dst_namespace"] === of.namespace &&
    chosen["dst_workload"] === of.server,
  "nodemesh-service": (of, chosen) => chosen["service"] === `${of.namespace}/${of.service}`,
  "nodemesh-workload": (of, chosen) =>
    chosen["namespace"] === of.namespace && chosen["workload"] === of.server,
};

/** The figures of a panel's query that can be told from requests; none of most panels. */
export function figuresOf({ panel, query }: Seen, of: readonly Metered[]): readonly Figure[] {
  switch (panel.title) {
    case "Requests":
      return [...new Set(of.map(({ code }) => code))].map((code) => ({
        kind: "number",
        labels: { code: String(code) },
        of: (ended, seconds) => ended.filter((one) => one.code === code).length / seconds,
      }));
    case "Requests by client":
    case "Clients":
      return [...new Set(of.map(({ client }) => client))].map((client) => ({
        kind: "number",
        labels: { src_workload: client },
        of: (ended, seconds) => ended.filter((one) => one.client === client).length / seconds,
      }));
    case "Success":
      return [{ kind: "number", labels: {}, of: successOf }];
    case "Durations":
    case "Seen from the client's node":
    case "Seen from the server's node": {
      const [, q = ""] = /histogram_quantile\(([\d.]+),/.exec(query) ?? [];
      return [{ kind: "quantile", labels: {}, of: (ended) => quantileOf(ended, Number(q)) }];
    }
    // Answers of few bytes are whole when they begin.
    case "Until its answers begin":
      return [{ kind: "time", labels: {}, of: meanSeconds }];
    default:
      return [];
  }
}

/** The mean duration, in seconds. */
export function meanSeconds(all: readonly Metered[]): number {
  return mean(all.map(({ durationMs }) => durationMs)) / 1000;
}

/** The share that was answered with a code below 500. */
function successOf(all: readonly Metered[]): number {
  return all.filter(({ code }) => code > 0 && code < 500).length / all.length;
}

/** The duration that a share `q` of them did not exceed, in seconds. */
function quantileOf(all: readonly Metered[], q: number): number {
  const sorted = all.map(({ durationMs }) => durationMs).sort((a, b) => a - b);
  return (sorted[Math.ceil(q * sorted.length) - 1] ?? Number.NaN) / 1000;
}

/** Which of a histogram's buckets holds a value: the number of bounds below it. */
function bucketOf(value: number, bounds: readonly number[]): number {
  return bounds.filter((bound) => bound < value).length;
}

/**
 * How far what is shown is from what was measured: of a number the share of it, of a quantile in buckets. NaN when nothing
 * is shown.
 */
export function distance(
  { kind }: Pick<Figure, "kind">,
  shown: number,
  measured: number,
  bounds: readonly number[],
): number {
  if (kind !== "quantile") return Math.abs(shown / measured - 1);
  return Number.isNaN(shown)
    ? Number.NaN
    : Math.abs(bucketOf(shown, bounds) - bucketOf(measured, bounds));
}

/** The mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** How many there are of each code. */
export function codesOf(all: readonly Metered[]): ReadonlyMap<number, number> {
  return new Map([...Map.groupBy(all, ({ code }) => code)].map(([code, of]) => [code, of.length]));
}
