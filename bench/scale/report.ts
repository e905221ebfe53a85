/** The figures of the scale bench against what they may be. */

import { readFileSync, writeFileSync } from "node:fs";

/** One figure. Without a limit it is only told. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly measured: number;
  readonly limit?: number;
}

/** What one part of the bench has measured, and one line on what was run. */
export interface Part {
  readonly head: string;
  readonly figures: readonly Figure[];
}

/** The end of a bench: prints the part, leaves it in `file` if there is one, and sets the exit code: 1 for a missed budget. */
export function tell(part: Part, file?: string): void {
  if (file !== undefined) writePart(file, part);
  console.log(partText(part));
  process.exitCode = part.figures.every(isKept) ? 0 : 1;
}

/** Leaves a part for readPart(). */
export function writePart(file: string, part: Part): void {
  writeFileSync(file, JSON.stringify(part));
}

/** What writePart() left. */
export function readPart(file: string): Part {
  const { head, figures }: Part = JSON.parse(readFileSync(file, "utf8"));
  // JSON has no NaN, and null would count as 0: a budget that was kept.
  return {
    head,
    figures: figures.map((one) => ({ ...one, measured: one.measured ?? Number.NaN })),
  };
}

/** Several parts as one; each figure's name begins with its part's. */
export function combined(parts: Readonly<Record<string, Part>>): Part {
  const of = Object.entries(parts);
  return {
    head: of.map(([name, { head }]) => `${name}: ${head}`).join("\n\n"),
    figures: of.flatMap(([part, { figures }]) =>
      figures.map((figure) => ({ ...figure, name: `${part}: ${figure.name}` })),
    ),
  };
}

/** All that is to be read of a part: what was run, table, verdict. */
export function partText({ head, figures }: Part): string {
  return `${head}\n\n${figureTable(figures)}\n\n${verdict(figures)}`;
}

/** A Markdown table with verdicts. */
function figureTable(figures: readonly Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, measured, limit } = figure;
    const bound = limit === undefined ? "" : `≤ ${limit.toLocaleString("en-US")}`;
    const said = limit === undefined ? "" : isKept(figure) ? "kept" : "MISSED";
    return `| ${name} | ${short(measured)} ${unit} | ${bound} | ${said} |`;
  });
  return ["| figure | measured | budget | |", "|---|---:|---:|---|", ...rows].join("\n");
}

/** Whether a figure is within its limit, if it has one. */
export function isKept({ measured, limit }: Figure): boolean {
  return limit === undefined || measured <= limit;
}

/** Three digits that count, with thousands apart. */
function short(value: number): string {
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString("en-US");
  return Number(value.toPrecision(3)).toString();
}

/** Which budgets were missed, in words. */
function verdict(figures: readonly Figure[]): string {
  const missed = figures.filter((figure) => !isKept(figure));
  if (missed.length === 0) return "every budget was kept";
  return missed
    .map(
      ({ name, unit, measured, limit = 0 }) =>
        `MISSED: ${name}: ${short(measured)} ${unit} instead of at most ${short(limit)} ${unit}`,
    )
    .join("\n");
}
