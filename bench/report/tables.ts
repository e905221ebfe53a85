/** The results as Markdown: a table for each work load, then the budgets with their verdicts. */
import { type Spread, spread } from "../harness/statistics.ts";
import { BUDGETS, judge } from "./budgets.ts";
import type { Results } from "./results.ts";

/** Figures in the order and with the titles of the tables' columns. */
const COLUMNS: Readonly<Record<string, string>> = {
  perSecond: "requests/s",
  cpuMicros: "proxy CPU µs/request",
  machineMicros: "machine CPU µs/request",
  gigabytesPerSecond: "GB/s",
  cpuMillisPerGigabyte: "proxy CPU ms/GB",
  p50Micros: "p50 µs",
  p99Micros: "p99 µs",
  p999Micros: "p99.9 µs",
  lateP999Micros: "generator late, p99.9 µs",
  queuedMillis: "proxy waited for a core, ms/s",
  freshMegabytes: "MB before",
  residentMegabytes: "resident MB",
  kilobytesPerPair: "KB per connection pair",
  effectMillis: "ms from annotation to effect",
  effectMaxMillis: "the longest",
  leaveMillis: "ms from its removal to effect",
  leaveMaxMillis: "its longest",
};

/** All tables of a run. */
export function tables(results: Results): string {
  const workloads = [...new Set(results.cells.map(({ workload }) => workload))];
  return [
    `Run of ${results.at}: ${results.rounds} rounds of ${results.seconds} s, ${results.machine.cores} cores (${results.machine.processor}), Linux ${results.machine.kernel}; ${versions(results)}.`,
    "Each cell: median (min–max) and, after ×, the median of the ratios to haproxy in the same round.",
    ...workloads.map((workload) => table(results, workload)),
    "### Budgets",
    budgetTable(results),
    ...results.failures.map((failure) => `- **failed**: ${failure}`),
    "",
  ].join("\n\n");
}

function versions(results: Results): string {
  return Object.entries(results.machine.versions)
    .map(([name, version]) => `${name} ${version}`)
    .join(", ");
}

function table(results: Results, workload: string): string {
  const cells = results.cells.filter((cell) => cell.workload === workload);
  const figures = Object.keys(COLUMNS).filter((name) =>
    cells.some(({ figure }) => figure === name),
  );
  const peers = [...new Set(cells.map(({ peer }) => peer))].sort();
  const rows = peers.map((peer) => {
    const texts = figures.map((name) => {
      const cell = cells.find((one) => one.peer === peer && one.figure === name);
      return cell === undefined ? "–" : cellText(cell.values, cell.ratios);
    });
    return `| ${peer} | ${texts.join(" | ")} |`;
  });
  const titles = figures.map((name) => COLUMNS[name]);
  return [
    `### ${workload}`,
    "",
    `| | ${titles.join(" | ")} |`,
    `|---|${titles.map(() => "---:|").join("")}`,
    ...rows,
  ].join("\n");
}

function cellText(values: readonly number[], ratios: readonly number[]): string {
  const ratio = ratios.length === 0 ? "" : ` × ${spread(ratios).median.toFixed(2)}`;
  return `${spreadText(spread(values))}${ratio}`;
}

function spreadText({ median, min, max }: Spread): string {
  return `${short(median)} (${short(min)}–${short(max)})`;
}

/** Three digits that count, with thousands apart. */
function short(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return value.toPrecision(3);
}

/** How many budgets were kept, in one line. */
export function verdict(results: Results): string {
  const verdicts = BUDGETS.map((budget) => judge(budget, results).verdict);
  const count = (one: string): number => verdicts.filter((said) => said === one).length;
  return `budgets: ${count("kept")} kept, ${count("MISSED")} missed, ${count("not measured")} not measured`;
}

function budgetTable(results: Results): string {
  const rows = BUDGETS.map((budget) => {
    const { measured, verdict } = judge(budget, results);
    return `| ${budget.name} | ${budget.bound} ${budget.limit} | ${measured === undefined ? "–" : short(measured)} | ${verdict} |`;
  });
  return ["| budget | limit | measured | |", "|---|---:|---:|---|", ...rows].join("\n");
}
