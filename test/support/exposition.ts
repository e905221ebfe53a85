/**
 * A strict reader of the Prometheus text format 0.0.4, for tests: it refuses what a lenient scraper would
 * forgive (samples without a type, repeated series, torn families, histograms that do not add up).
 */

/** One line of samples. */
export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** All lines of one metric. */
export interface ParsedFamily {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly ParsedSample[];
}

const COMMENT = /^# (HELP|TYPE) ([a-zA-Z_:][a-zA-Z0-9_:]*) (.*)$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\[\\n"])*)"(?:,|$)/y;
const SUFFIXES: Readonly<Record<string, readonly string[]>> = {
  counter: [""],
  gauge: [""],
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

interface OpenFamily {
  readonly name: string;
  type: string;
  readonly samples: ParsedSample[];
}

/** Reads a page. Throws a SyntaxError that names the line when the page is wrong. */
export function parseExposition(page: string): ReadonlyMap<string, ParsedFamily> {
  if (!page.endsWith("\n")) throw new SyntaxError("the last line does not end");
  const families = new Map<string, OpenFamily>();
  const seen = new Set<string>();
  let current: OpenFamily = { name: "", type: "", samples: [] };
  for (const line of page.split("\n").filter((one) => one !== "")) {
    if (line.startsWith("#")) current = readComment(line, current, families);
    else current.samples.push(parseSample(line, current, seen));
  }
  for (const family of families.values()) if (family.type === "histogram") checkHistogram(family);
  return families;
}

/** HELP opens a family, TYPE follows at once. */
function readComment(
  line: string,
  current: OpenFamily,
  families: Map<string, OpenFamily>,
): OpenFamily {
  const [, keyword, name = "", rest = ""] = COMMENT.exec(line) ?? [];
  if (keyword === "TYPE" && current.name === name && current.samples.length === 0) {
    current.type = rest;
    return current;
  }
  if (keyword !== "HELP" || families.has(name)) throw new SyntaxError(`out of place: ${line}`);
  const opened = { name, type: "", samples: [] };
  families.set(name, opened);
  return opened;
}

function parseSample(
  line: string,
  family: { readonly name: string; readonly type: string },
  seen: Set<string>,
): ParsedSample {
  const [, name = "", labelText = "", number = ""] = SAMPLE.exec(line) ?? [];
  const suffixes = SUFFIXES[family.type] ?? [];
  if (!suffixes.some((suffix) => name === family.name + suffix))
    throw new SyntaxError(`not a sample of ${family.name} (${family.type}): ${line}`);
  const labels = parseLabels(labelText, line);
  const key = JSON.stringify([name, Object.entries(labels).toSorted()]);
  if (seen.has(key)) throw new SyntaxError(`repeated: ${line}`);
  seen.add(key);
  const value = Number(number.replace(/^([+-]?)Inf$/, "$1Infinity"));
  if (Number.isNaN(value) && number !== "NaN") throw new SyntaxError(`not a number: ${line}`);
  return { name, labels, value };
}

function parseLabels(text: string, line: string): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const [, name, value = ""] = LABEL.exec(text) ?? [];
    if (name === undefined || name in labels) throw new SyntaxError(`bad labels: ${line}`);
    labels[name] = value.replace(/\\([\\n"])/g, (_all, c: string) => (c === "n" ? "\n" : c));
  }
  return labels;
}

function checkHistogram(family: ParsedFamily): void {
  const bySeries = Map.groupBy(family.samples, ({ labels }) => {
    const { le: _, ...rest } = labels;
    return JSON.stringify(rest);
  });
  for (const [series, samples] of bySeries) {
    const buckets = samples.filter((one) => one.name.endsWith("_bucket"));
    const counts = buckets.map((one) => one.value);
    const count = samples.find((one) => one.name.endsWith("_count"))?.value;
    const rises = counts.every((one, i) => i === 0 || one >= (counts[i - 1] ?? 0));
    const last = buckets.at(-1);
    if (!rises || last?.labels["le"] !== "+Inf" || last.value !== count)
      throw new SyntaxError(`the histogram ${family.name}${series} does not add up`);
  }
}
