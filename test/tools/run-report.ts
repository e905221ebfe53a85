/** What a test run says at its end: a table, what was left behind, what failed. */

import type { FileTime, GroupResult } from "./group-run.ts";

/** Everything that a run came to. */
export interface RunOutcome {
  readonly results: readonly GroupResult[];
  /** What the run as a whole has left behind. */
  readonly leaks: readonly string[];
  readonly seconds: number;
  readonly budgetSeconds: number;
}

/** Prints the table and the closing line; true when all is well. */
export function reportRun(outcome: RunOutcome, say: (line: string) => void): boolean {
  const { results, leaks, seconds, budgetSeconds } = outcome;
  say("");
  say("group         files   pass   fail   skip     time      CPU");
  for (const group of results) {
    const cells = [group.files, group.passed, group.failures.length, group.announced.length].map(
      (n) => String(n).padStart(7),
    );
    say(`${group.name.padEnd(12)}${cells.join("")} ${times(group)}`);
  }
  for (const slow of slowFiles(results)) say(`slow: ${times(slow)} ${slow.file}`);
  for (const skip of results.flatMap(({ announced }) => announced)) say(`announced skip: ${skip}`);
  for (const word of leaks) say(`LEFT BEHIND: ${word}`);
  const failures = results.flatMap((result) => result.failures);
  if (failures.length > 0) say("");
  for (const failure of failures) say(`failed: ${failure.split("\n")[0] ?? ""}`);
  if (seconds > budgetSeconds) say(`slower than the budget of ${budgetSeconds}s`);
  say(`all of it took ${seconds.toFixed(0)}s`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const skipped = results.reduce((sum, result) => sum + result.announced.length, 0);
  say(`${passed} passed, ${failures.length + leaks.length} failed, ${skipped} skipped`);
  return passed > 0 && failures.length === 0 && leaks.length === 0;
}

function slowFiles(results: readonly GroupResult[]): readonly FileTime[] {
  return results
    .flatMap(({ slowest }) => slowest)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 5);
}

/** Duration and CPU time, both in seconds. */
function times({ seconds, cpuSeconds }: Omit<FileTime, "file">): string {
  const cpu = cpuSeconds === undefined ? "-" : `${cpuSeconds.toFixed(1)}s`;
  return `${seconds.toFixed(1).padStart(7)}s ${cpu.padStart(8)}`;
}
