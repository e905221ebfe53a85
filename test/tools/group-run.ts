/** Runs one group's files with node:test and gathers what the runner says, skips and empty files included. */
import { basename } from "node:path";
import { run } from "node:test";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";
import type { TestGroup } from "./test-groups.ts";

/** What came of one group. */
export interface GroupResult {
  readonly name: string;
  readonly files: number;
  readonly passed: number;
  readonly failures: readonly string[];
  /** Skips whose reason starts with `announced:`. */
  readonly announced: readonly string[];
  readonly seconds: number;
  /** Files by duration, longest first. */
  readonly slowest: readonly { readonly file: string; readonly seconds: number }[];
}

/** The parts of node:test's pass and fail events that are read here. */
interface Finished {
  readonly name: string;
  readonly file?: string | undefined;
  readonly skip?: string | boolean | undefined;
  readonly todo?: string | boolean | undefined;
  readonly details: {
    readonly duration_ms: number;
    readonly type?: string | undefined;
    readonly error?: unknown;
  };
}

interface Tally {
  passed: number;
  failures: string[];
  announced: string[];
  output: Map<string, string>;
  testsByFile: Map<string, number>;
  secondsByFile: Map<string, number>;
}

const OUTPUT_LIMIT = 16_000;

/**
 * Runs `files` (absolute paths) as one group; never throws on a failing test, only on a broken runner. Aborted, it ends
 * the files that run, which counts as a failure of each.
 */
export async function runGroup(
  group: TestGroup,
  files: readonly string[],
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<GroupResult> {
  const started = performance.now();
  const tally: Tally = {
    passed: 0,
    failures: [],
    announced: [],
    output: new Map(),
    testsByFile: new Map(),
    secondsByFile: new Map(),
  };
  const stream = run({
    files: [...files],
    concurrency: group.concurrency,
    timeout: group.timeoutMs,
    ...(signal !== undefined && { signal }),
    // The option `timeout` is each file's; this is what tests inherit that name none themselves.
    execArgv: group.testTimeoutMs === undefined ? [] : [`--test-timeout=${group.testTimeoutMs}`],
  });
  for await (const event of stream) take(event, group, tally, say);
  for (const file of files) {
    if ((tally.testsByFile.get(file) ?? 0) === 0)
      fail(tally, `${file}: holds no test that ran`, say);
  }
  return {
    name: group.name,
    files: files.length,
    passed: tally.passed,
    failures: tally.failures,
    announced: tally.announced,
    seconds: (performance.now() - started) / 1000,
    slowest: [...tally.secondsByFile]
      .map(([file, seconds]) => ({ file, seconds }))
      .sort((a, b) => b.seconds - a.seconds),
  };
}

function take(event: TestEvent, group: TestGroup, tally: Tally, say: (line: string) => void): void {
  switch (event.type) {
    case "test:pass":
      passed(tally, event.data, say);
      break;
    case "test:fail":
      failed(tally, event.data, say);
      break;
    case "test:stdout":
    case "test:stderr":
      keepOutput(tally, event.data.file, event.data.message);
      break;
    case "test:summary":
      if (event.data.file !== undefined)
        tally.secondsByFile.set(event.data.file, event.data.duration_ms / 1000);
      break;
    case "test:diagnostic":
      // Tests in clusters tell what they measured; others have nothing to say.
      if (group.onDemand && event.data.file !== undefined)
        say(`  ${basename(event.data.file)}: ${event.data.message}`);
      break;
    default:
      break;
  }
}

function passed(tally: Tally, test: Finished, say: (line: string) => void): void {
  const where = `${test.file ?? "?"}: ${test.name}`;
  const isFile = test.name === test.file; // node reports a file without tests as one passed test
  if (isFile) return;
  count(tally, test.file);
  const { skip, todo } = test;
  if (skip !== undefined && skip !== false) {
    if (typeof skip === "string" && skip.startsWith("announced:"))
      tally.announced.push(`${where} (${skip})`);
    else fail(tally, `${where}: skipped without an announced reason`, say);
  } else if (todo !== undefined && todo !== false) {
    fail(tally, `${where}: marked todo`, say);
  } else if (test.details.type !== "suite") {
    tally.passed++;
  }
}

function failed(tally: Tally, test: Finished, say: (line: string) => void): void {
  count(tally, test.file);
  const { error } = test.details;
  if (error instanceof Error && "failureType" in error && error.failureType === "subtestsFailed")
    return; // the subtest itself is reported
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const text = cause instanceof Error && cause.cause === undefined ? cause.stack : inspect(cause);
  const printed = tally.output.get(test.file ?? "");
  const output = printed === undefined ? "" : `\n  it printed:\n${indent(printed)}`;
  tally.output.delete(test.file ?? "");
  fail(
    tally,
    `${test.file ?? "?"}: ${test.name}\n${indent(text ?? "no reason given")}${output}`,
    say,
  );
}

function fail(tally: Tally, message: string, say: (line: string) => void): void {
  tally.failures.push(message);
  say(`FAIL ${message}`);
}

function count(tally: Tally, file: string | undefined): void {
  if (file !== undefined) tally.testsByFile.set(file, (tally.testsByFile.get(file) ?? 0) + 1);
}

function keepOutput(tally: Tally, file: string | undefined, message: string): void {
  if (file === undefined) return;
  const all = (tally.output.get(file) ?? "") + message;
  tally.output.set(file, all.slice(-OUTPUT_LIMIT));
}

function indent(text: string): string {
  return text.trimEnd().replace(/^/gm, "    ");
}
