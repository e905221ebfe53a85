/** Runs test files side by side, as many as their groups and the machine allow, and sums up what came of each group. */
import { basename, join } from "node:path";
import { type FileResult, runFile } from "./file-run.ts";
import { nextFile } from "./schedule.ts";
import type { TestGroup } from "./test-groups.ts";

/** Somebody may be watching. */
const PROGRESS_MS = 15_000;

/** What came of one group. */
export interface GroupResult {
  readonly name: string;
  readonly files: number;
  readonly passed: number;
  /** Failed tests and files, and whatever a file has left behind. */
  readonly failures: readonly string[];
  /** Skips whose reason starts with `announced:`. */
  readonly announced: readonly string[];
  /** The sum of its files' durations. */
  readonly seconds: number;
  /** The sum of their CPU times, where they are known. */
  readonly cpuSeconds?: number | undefined;
  /** Files by duration, longest first. */
  readonly slowest: readonly FileTime[];
}

/** How long a file took, and how much CPU time all that ran for it, where that is known. */
export interface FileTime {
  readonly file: string;
  readonly seconds: number;
  readonly cpuSeconds?: number | undefined;
}

/** A test file (an absolute path) and its group. */
export interface GroupedFile {
  readonly file: string;
  readonly group: TestGroup;
}

/** How files are run. */
export interface RunOptions {
  /** Files at the same time, of whatever group. */
  readonly concurrency: number;
  /** A folder for the files' temporary files. */
  readonly scratch: string;
  readonly say: (line: string) => void;
  /** Aborted, the files that run are ended and the others are not begun; all of them have failed. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs the files, which start in the order given as far as their groups' concurrency lets them; one result for each
 * group, in the order of their first files. Never throws on a failing test.
 */
export async function runFiles(
  files: readonly GroupedFile[],
  { concurrency, scratch, say, signal }: RunOptions,
): Promise<readonly GroupResult[]> {
  const waiting = [...files];
  const running = new Map<GroupedFile, Promise<void>>();
  const results = new Map<GroupedFile, FileResult>();
  let said = performance.now();
  const start = async (one: GroupedFile): Promise<void> => {
    const { timeoutMs, testTimeoutMs, ownMachine } = one.group;
    const folder = join(scratch, `${files.indexOf(one)}`);
    const options = { timeoutMs, testTimeoutMs, ownMachine, scratch: folder, signal };
    const result = await runFile(one.file, options).catch((error: unknown) => broken(one, error));
    running.delete(one);
    results.set(one, result);
    tell(one.group, result, say);
    if (performance.now() < said + PROGRESS_MS) return;
    said = performance.now();
    say(`${results.size} of ${files.length} files are through`);
  };
  while (waiting.length + running.size > 0) {
    if (signal?.aborted === true)
      for (const one of waiting.splice(0)) results.set(one, broken(one, "was not begun"));
    const next = nextFile(waiting, [...running.keys()], concurrency);
    if (next === undefined) {
      // With nothing running it is over.
      if (running.size > 0) await Promise.race(running.values());
      continue;
    }
    waiting.splice(waiting.indexOf(next), 1);
    running.set(next, start(next));
  }
  const groups = [...new Set(files.map(({ group }) => group))];
  return groups.map((group) =>
    sum(
      group.name,
      files.flatMap((one) => (one.group === group ? (results.get(one) ?? []) : [])),
    ),
  );
}

/** The file did not even start. */
function broken({ file }: GroupedFile, error: unknown): FileResult {
  const why = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const none = { passed: 0, announced: [], left: [], said: [], seconds: 0 };
  return { file, failures: [`${file}: ${why}`], ...none };
}

function tell(group: TestGroup, result: FileResult, say: (line: string) => void): void {
  for (const failure of [...result.failures, ...leftWords(result)]) say(`FAIL ${failure}`);
  // Tests in clusters tell what they measured; others have nothing to say.
  if (group.onDemand)
    for (const message of result.said) say(`  ${basename(result.file)}: ${message}`);
}

function leftWords({ file, left }: FileResult): readonly string[] {
  return left.map((word) => `${file}: left behind: ${word}`);
}

function sum(name: string, results: readonly FileResult[]): GroupResult {
  return {
    name,
    files: results.length,
    passed: results.reduce((total, { passed }) => total + passed, 0),
    failures: results.flatMap((result) => [...result.failures, ...leftWords(result)]),
    announced: results.flatMap(({ announced }) => announced),
    seconds: results.reduce((total, { seconds }) => total + seconds, 0),
    cpuSeconds: results.reduce((total, { cpuSeconds = 0 }) => total + cpuSeconds, 0),
    slowest: results
      .map(({ file, seconds, cpuSeconds }) => ({ file, seconds, cpuSeconds }))
      .sort((a, b) => b.seconds - a.seconds),
  };
}
