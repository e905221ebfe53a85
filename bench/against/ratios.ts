/** The table of `--against`: new divided by old in the same round, and what counts as missed. Pure. */
import type { Cell, Measurements } from "../harness/rounds.ts";
import { type Spread, spread } from "../harness/statistics.ts";
import { APART } from "./loads.ts";

/** Names of the two contestants. */
export const OLD = "old";
export const NEW = "new";

/** A cost has grown when it did in every round by more than this. */
export const LIMIT = 1.03;

/** With fewer rounds the least of them is above the limit by chance too often: half of one and a quarter of two. */
export const ROUNDS_TO_JUDGE = 5;

/** What became of one figure of one load. */
export interface Ratio {
  readonly load: string;
  readonly figure: string;
  readonly old: number;
  readonly new: number;
  readonly ratio: Spread;
  /** `told`: shown and not judged. */
  readonly verdict: "kept" | "missed" | "told";
}

/** Figures in the order of the columns; costs are judged. */
const FIGURES: ReadonlyMap<string, { readonly title: string; readonly cost: boolean }> = new Map([
  ["cpuMicros", { title: "CPU, µs/request", cost: true }],
  ["perSecond", { title: "requests/s", cost: false }],
  ["residentMegabytes", { title: "memory, MB", cost: true }],
]);

/** One entry for each load and figure that both have in at least one round, in the order of the rounds. */
export function ratiosOf({ cells }: Pick<Measurements, "cells">): readonly Ratio[] {
  return cells
    .filter(({ peer, figure }) => peer === NEW && FIGURES.has(figure))
    .toSorted((a, b) => orderOf(a) - orderOf(b))
    .flatMap((cell) => {
      const base = cells.find(
        ({ peer, workload, figure }) =>
          peer === OLD && workload === cell.workload && figure === cell.figure,
      );
      if (base === undefined || cell.ratios.length === 0) return [];
      const ratio = spread(cell.ratios);
      return [
        {
          load: cell.workload,
          figure: cell.figure,
          old: spread(base.values).median,
          new: spread(cell.values).median,
          ratio,
          verdict: verdictOf(cell, ratio),
        },
      ];
    });
}

/** Loads keep the order in which they ran; loads that are told apart come last. */
function orderOf({ workload, figure }: Cell): number {
  return Number(workload.startsWith(APART)) * 10 + [...FIGURES.keys()].indexOf(figure);
}

function verdictOf({ workload, figure, ratios }: Cell, { min }: Spread): Ratio["verdict"] {
  if (ratios.length < ROUNDS_TO_JUDGE) return "told";
  if (workload.startsWith(APART) || FIGURES.get(figure)?.cost !== true) return "told";
  return min > LIMIT ? "missed" : "kept";
}

/** The table as Markdown. */
export function ratioTable(ratios: readonly Ratio[]): string {
  const rows = ratios.map((one) => {
    const { median, min, max } = one.ratio;
    const cells = [
      FIGURES.get(one.figure)?.title ?? one.figure,
      one.load,
      short(one.old),
      short(one.new),
      `${median.toFixed(3)} (${min.toFixed(3)}–${max.toFixed(3)})`,
      one.verdict === "told" ? "" : one.verdict,
    ];
    return `| ${cells.join(" | ")} |`;
  });
  return [
    "| figure | load | old | new | new ÷ old, median (range) | |",
    "|---|---|---:|---:|---:|---|",
    ...rows,
  ].join("\n");
}

/** Three digits that count, with thousands apart. */
function short(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3);
}
