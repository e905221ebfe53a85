/** What a test run says at its end: a table, what was left behind, what failed. */

import type { GroupResult } from "./group-run.ts";

/** Everything that a run came to. */
export interface RunOutcome {
  readonly results: readonly GroupResult[];
  /** What is on the machine now and was not before. */
  readonly leaks: readonly string[];
  /** Those of `leaks` that fail the run. */
  readonly ours: readonly string[];
  readonly seconds: number;
  readonly budgetSeconds: number;
}

/** Prints the table and the closing line; true when all is well. */
export function reportRun(outcome: RunOutcome, say: (line: string) => void): boolean {
  const { results, leaks, ours, seconds, budgetSeconds } = outcome;
  say("");
  say("group         files   pass   fail   skip     time");
  for (const group of results) {
    const cells = [group.files, group.passed, group.failures.length, group.announced.length].map(
      (n) => String(n).padStart(7),
    );
    say(`${group.name.padEnd(12)}${cells.join("")} ${group.seconds.toFixed(1).padStart(7)}s`);
  }
  for (const slow of slowFiles(results)) say(`slow: ${slow.file} ${slow.seconds.toFixed(1)}s`);
  for (const skip of results.flatMap(({ announced }) => announced)) say(`announced skip: ${skip}`);
  for (const word of leaks) say(`${ours.includes(word) ? "LEFT BEHIND" : "appeared"}: ${word}`);
  const failures = results.flatMap((result) => result.failures);
  if (failures.length > 0) say("");
  for (const failure of failures) say(`failed: ${failure.split("\n")[0] ?? ""}`);
  if (seconds > budgetSeconds) say(`slower than the budget of ${budgetSeconds}s`);
  say(`all of it took ${seconds.toFixed(0)}s`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const skipped = results.reduce((sum, result) => sum + result.announced.length, 0);
  say(`${passed} passed, ${failures.length + ours.length} failed, ${skipped} skipped`);
  return passed > 0 && failures.length === 0 && ours.length === 0;
}

function slowFiles(
  results: readonly GroupResult[],
): readonly { readonly file: string; readonly seconds: number }[] {
  return results
    .flatMap(({ slowest }) => slowest)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 5);
}
