/** Times small synchronous work: interleaved rounds, median of the rounds, so that a busy neighbour hurts all alike. */

/** One thing to time: `run(n)` does it n times and returns something that depends on the work. */
export interface Subject {
  readonly name: string;
  readonly run: (times: number) => number;
}

/** Nanoseconds per time, median and extremes over the rounds. */
export interface Timing {
  readonly name: string;
  readonly medianNs: number;
  readonly minNs: number;
  readonly maxNs: number;
}

/** Runs all subjects in turn, `rounds` times after one warm-up round. */
export function measure(
  subjects: readonly Subject[],
  { rounds = 9, times = 200_000 }: { readonly rounds?: number; readonly times?: number } = {},
): readonly Timing[] {
  const taken = subjects.map((): number[] => []);
  let sink = 0;
  for (let round = -1; round < rounds; round++)
    subjects.forEach((subject, i) => {
      const start = process.hrtime.bigint();
      sink += subject.run(times);
      const ns = Number(process.hrtime.bigint() - start) / times;
      if (round >= 0) taken[i]?.push(ns);
    });
  if (Number.isNaN(sink)) throw new Error("a subject computed nothing");
  return subjects.map(({ name }, i) => {
    const sorted = (taken[i] ?? []).toSorted((a, b) => a - b);
    return {
      name,
      medianNs: sorted[sorted.length >> 1] ?? Number.NaN,
      minNs: sorted[0] ?? Number.NaN,
      maxNs: sorted.at(-1) ?? Number.NaN,
    };
  });
}

/** A table of timings; the last column is the ratio to the first subject. */
export function table(timings: readonly Timing[]): string {
  const base = timings[0]?.medianNs ?? Number.NaN;
  const rows = timings.map(
    ({ name, medianNs, minNs, maxNs }) =>
      `| ${name} | ${medianNs.toFixed(1)} | ${minNs.toFixed(1)} to ${maxNs.toFixed(1)} | ${(medianNs / base).toFixed(1)} |`,
  );
  return ["| work | ns, median | min to max | ratio |", "|---|--:|--:|--:|", ...rows].join("\n");
}
