/** What nodemesh promised to cost, and whether a run kept it. */
import type { Cell } from "../harness/rounds.ts";
import { spread } from "../harness/statistics.ts";
import { EFFECT, IDLE_HTTP, IDLE_OPAQUE } from "../harness/workloads.ts";
import type { Results } from "./results.ts";

/** One promise. */
export interface Budget {
  readonly name: string;
  readonly workload: string;
  readonly figure: string;
  /** The contestant that nodemesh is divided by; absent = the figure itself. */
  readonly against?: string;
  readonly bound: "≤" | "≥";
  readonly limit: number;
}

/** A budget against a run. */
export interface Judgement {
  /** Undefined when the run did not measure it. */
  readonly measured: number | undefined;
  readonly verdict: "kept" | "MISSED" | "not measured";
}

const SUBJECT = "nodemesh";
const MAIN = "http 64 × 100 B";

/** Section 9 of the first issue. */
export const BUDGETS: readonly Budget[] = [
  ratio("CPU per HTTP request, × haproxy", MAIN, "cpuMicros", "haproxy", "≤", 0.8),
  ratio("CPU per HTTP request, × Envoy", MAIN, "cpuMicros", "envoy", "≤", 0.37),
  ratio("requests per second, × haproxy", MAIN, "perSecond", "haproxy", "≥", 1),
  ratio(
    "opaque bulk, × haproxy's TCP mode",
    "opaque TCP bulk",
    "gigabytesPerSecond",
    "haproxy",
    "≥",
    0.9,
  ),
  ratio("p99 at half load, × haproxy", "open loop, half load", "p99Micros", "haproxy", "≤", 1.5),
  plain("KB per idle connection pair, opaque", IDLE_OPAQUE, "kilobytesPerPair", 24),
  plain("KB per idle connection, HTTP", IDLE_HTTP, "kilobytesPerPair", 24),
  plain("agent's MB with 1,000 opaque connections", IDLE_OPAQUE, "residentMegabytes", 120),
  plain("agent's MB with 1,000 HTTP connections", IDLE_HTTP, "residentMegabytes", 120),
  plain("annotation to effect, median ms", EFFECT, "effectMillis", 200),
  plain("annotation to effect, longest ms", EFFECT, "effectMaxMillis", 200),
  plain("annotation removed to effect, median ms", EFFECT, "leaveMillis", 200),
  plain("annotation removed to effect, longest ms", EFFECT, "leaveMaxMillis", 200),
];

function ratio(
  ...[name, workload, figure, against, bound, limit]: [
    string,
    string,
    string,
    string,
    Budget["bound"],
    number,
  ]
): Budget {
  return { name, workload, figure, against, bound, limit };
}

function plain(...[name, workload, figure, limit]: [string, string, string, number]): Budget {
  return { name, workload, figure, bound: "≤", limit };
}

/** Compares a run with a budget: medians over the rounds, ratios taken within each round. */
export function judge(budget: Budget, results: Results): Judgement {
  const own = find(results, budget, SUBJECT);
  const other = budget.against === undefined ? undefined : find(results, budget, budget.against);
  if (own === undefined || (budget.against !== undefined && other === undefined))
    return { measured: undefined, verdict: "not measured" };
  const values = other === undefined ? own.values : ratiosOf(own, other);
  if (values.length === 0) return { measured: undefined, verdict: "not measured" };
  const measured = spread(values).median;
  const kept = budget.bound === "≤" ? measured <= budget.limit : measured >= budget.limit;
  return { measured, verdict: kept ? "kept" : "MISSED" };
}

/** Of the rounds that both have: a round that failed at one of them compares nothing. */
function ratiosOf(own: Cell, other: Cell): readonly number[] {
  return own.values.flatMap((value, index) => {
    const base = other.values[other.rounds.indexOf(own.rounds[index] ?? -1)];
    return base === undefined || base <= 0 ? [] : [value / base];
  });
}

function find(results: Results, budget: Budget, peer: string): Cell | undefined {
  return results.cells.find(
    (cell) =>
      cell.workload === budget.workload && cell.figure === budget.figure && cell.peer === peer,
  );
}
