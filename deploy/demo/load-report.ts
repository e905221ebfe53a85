/** What the load generator says about an interval, one JSON line each. */

/** One interval. Latencies in milliseconds, of the answered requests. */
export interface LoadReport {
  readonly ok: number;
  readonly failed: number;
  /** Why requests failed, with counts. */
  readonly errors: Readonly<Record<string, number>>;
  /** Answers by the pod that gave them. */
  readonly pods: Readonly<Record<string, number>>;
  readonly latencies: readonly number[];
}

/** Several intervals as one. */
export function merge(reports: readonly LoadReport[]): LoadReport {
  return {
    ok: reports.reduce((sum, one) => sum + one.ok, 0),
    failed: reports.reduce((sum, one) => sum + one.failed, 0),
    errors: addCounts(reports.map((one) => one.errors)),
    pods: addCounts(reports.map((one) => one.pods)),
    latencies: reports.flatMap((one) => one.latencies),
  };
}

/** The value below which `fraction` of the latencies lie; NaN without any. */
export function quantile(latencies: readonly number[], fraction: number): number {
  const sorted = latencies.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? Number.NaN;
}

function addCounts(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const one of counts)
    for (const [key, count] of Object.entries(one)) sum[key] = (sum[key] ?? 0) + count;
  return sum;
}
