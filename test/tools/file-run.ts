/** Runs one test file in a process of its own, in a machine of its own where it wants one, and tells what came of it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { OwnMachine } from "../support/own-machine.ts";
import type { FileEvent } from "./event-lines.ts";
import { type Ending, judge, type Verdict } from "./file-verdict.ts";

const REPORTER = join(import.meta.dirname, "event-lines.ts");
const OUTPUT_LIMIT = 16_000;
/** A process that was asked to end has this long for it. */
const ENDING_MS = 5_000;

/** How a file is run. */
export interface FileOptions {
  /** Longest time for it in milliseconds. */
  readonly timeoutMs: number;
  /** Longest time for one of its tests, in milliseconds; undefined = as long as the file. */
  readonly testTimeoutMs?: number | undefined;
  /** Whether it gets a machine of its own, in which nothing may stay. */
  readonly ownMachine: boolean;
  /** A folder that does not exist yet: the file's temporary files, what it prints and its events. */
  readonly scratch: string;
  /** Aborted, the file is ended and has failed. */
  readonly signal?: AbortSignal | undefined;
}

/** What came of a file. */
export interface FileResult extends Verdict {
  readonly file: string;
  /** What it left behind in its machine or among its temporary files. */
  readonly left: readonly string[];
  readonly seconds: number;
  /** CPU time of all that ran in its machine; undefined without one. */
  readonly cpuSeconds?: number | undefined;
}

/** Runs it (an absolute path). Never throws on a failing file, only on a broken machine. */
export async function runFile(file: string, options: FileOptions): Promise<FileResult> {
  const started = performance.now();
  const temporary = join(options.scratch, "tmp");
  mkdirSync(temporary, { recursive: true });
  const machine = options.ownMachine ? await OwnMachine.start() : undefined;
  try {
    const ending = await execute(file, machine, temporary, options);
    const seconds = (performance.now() - started) / 1000;
    // Whoever was killed had no time to clean up.
    const left = ending.kind === "exited" ? await leftBy(machine, temporary) : [];
    const events = eventsIn(readText(join(options.scratch, "events")));
    const output = readText(join(options.scratch, "output")).slice(-OUTPUT_LIMIT);
    const cpuSeconds = machine?.cpuSeconds;
    return { file, ...judge(file, events, ending, output), left, seconds, cpuSeconds };
  } finally {
    await machine?.[Symbol.asyncDispose]();
    rmSync(options.scratch, { recursive: true, force: true });
  }
}

async function execute(
  file: string,
  machine: OwnMachine | undefined,
  temporary: string,
  { scratch, timeoutMs, testTimeoutMs, signal }: FileOptions,
): Promise<Ending> {
  const words = [
    process.execPath,
    `--test-reporter=${REPORTER}`,
    `--test-reporter-destination=${join(scratch, "events")}`,
    ...(testTimeoutMs === undefined ? [] : [`--test-timeout=${testTimeoutMs}`]),
    file,
  ];
  const [program = "", ...args] = machine?.command(words) ?? words;
  // A file, not a pipe: what the test leaves behind can't keep us waiting for its end.
  const output = openSync(join(scratch, "output"), "w");
  const env = { ...process.env, TMPDIR: temporary };
  // A session of its own: Ctrl-C is for the runner, which ends the file.
  const child = spawn(program, args, { stdio: ["ignore", output, output], env, detached: true });
  closeSync(output);
  const exited = once(child, "exit").then(
    ([code, name]): Ending => ({ kind: "exited", code, signal: name }),
  );
  const { promise: cut, resolve } = Promise.withResolvers<Ending>();
  const clock = setTimeout(() => resolve({ kind: "late", timeoutMs }), timeoutMs);
  const abort = (): void => resolve({ kind: "aborted", why: String(signal?.reason) });
  signal?.addEventListener("abort", abort, { once: true });
  if (signal?.aborted === true) abort();
  const ending = await Promise.race([exited, cut]);
  clearTimeout(clock);
  signal?.removeEventListener("abort", abort);
  if (ending.kind !== "exited") await end(child, exited);
  return ending;
}

/** Ends the file's process and those that it started. */
async function end(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
  signalAll(child, "SIGTERM");
  const clock = setTimeout(() => signalAll(child, "SIGKILL"), ENDING_MS);
  await exited;
  clearTimeout(clock);
}

/** It leads a process group, since it is detached. */
function signalAll({ pid }: ChildProcess, signal: "SIGTERM" | "SIGKILL"): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

async function leftBy(
  machine: OwnMachine | undefined,
  temporary: string,
): Promise<readonly string[]> {
  const files = readdirSync(temporary).filter((name) => name !== "node-compile-cache");
  return [...((await machine?.left()) ?? []), ...files.map((name) => `temporary ${name}`)];
}

function eventsIn(lines: string): readonly FileEvent[] {
  // The last line of a killed process may be cut.
  return lines
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as FileEvent);
}

function readText(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
