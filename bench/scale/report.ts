/** The figures of the scale bench against what they may be. */

/** One figure. Without a limit it is only told. */
export interface Figure {
  readonly name: string;
  readonly unit: string;
  readonly measured: number;
  readonly limit?: number;
}

/** The figures as a Markdown table with their verdicts. */
export function figureTable(figures: readonly Figure[]): string {
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
export function verdict(figures: readonly Figure[]): string {
  const missed = figures.filter((figure) => !isKept(figure));
  if (missed.length === 0) return "every budget was kept";
  return missed
    .map(
      ({ name, unit, measured, limit = 0 }) =>
        `MISSED: ${name}: ${short(measured)} ${unit} instead of at most ${short(limit)} ${unit}`,
    )
    .join("\n");
}
