/**
 * Child processes of the bench: started in a network namespace or as a command that enters a pod, waited for
 * with a limit, always ended. A child is killed by the kernel when the bench dies, however it dies.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { inNetns } from "../../agent/kernel/netns.ts";

/** Aborted by Ctrl-C: programs under way are killed and waits end; what cleans up afterwards still runs. */
export const interruption: AbortController = new AbortController();

/** How long a program may take to end after SIGTERM, and to vanish after SIGKILL. */
const END_MS = 2_000;
/** What a service may keep of its output. */
const LOG_CHARACTERS = 8_000;

/** What a finished command said. */
export interface CommandOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A long-running program of the bench. */
export interface Service extends AsyncDisposable {
  readonly pid: number;
  /** What it has printed so far, for error messages. */
  log(): string;
}

/** Starts a program with pipes. It dies with the bench, also when that is killed (util-linux: setpriv). */
function startProgram(argv: readonly string[], netnsFile?: string): ChildProcess {
  const args = ["--pdeathsig", "KILL", "--", ...argv];
  const start = (): ChildProcess => spawn("setpriv", args, { stdio: ["pipe", "pipe", "pipe"] });
  if (netnsFile === undefined) return quiet(start());
  const netns = openSync(netnsFile, "r");
  try {
    return quiet(inNetns(netns, start)); // fork happens inside spawn(), on this thread
  } finally {
    closeSync(netns);
  }
}

/** A program may end before it has read its input: that is not our error. */
function quiet(child: ChildProcess): ChildProcess {
  child.stdin?.on("error", () => undefined);
  return child;
}

/** Runs a program to its end. Rejects when it takes longer than `timeoutMs`, is killed or can't be started. */
export async function runProgram(
  argv: readonly string[],
  options: { readonly netnsFile?: string; readonly timeoutMs: number },
): Promise<CommandOutput> {
  const child = startProgram(argv, options.netnsFile);
  child.stdin?.end();
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (bytes: Buffer) => {
    stdout += bytes.toString();
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    stderr += bytes.toString();
  });
  const kill = (): void => {
    child.kill("SIGKILL");
    // A grandchild may hold the pipes open; without this "close" would never come.
    child.stdout?.destroy();
    child.stderr?.destroy();
  };
  const timer = setTimeout(kill, options.timeoutMs);
  interruption.signal.addEventListener("abort", kill);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    if (code === null) throw new Error(`${argv.join(" ")} was killed: ${stderr.slice(-2000)}`);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
    interruption.signal.removeEventListener("abort", kill);
  }
}

/** Starts a program that stays; disposing it ends its input, asks it to end, and kills it after two seconds. */
export function startService(argv: readonly string[], netnsFile?: string): Service {
  const child = startProgram(argv, netnsFile);
  let text = "";
  const keep = (piece: string): void => {
    text = (text + piece).slice(-LOG_CHARACTERS);
  };
  child.stderr?.setEncoding("utf8").on("data", keep);
  child.stdout?.setEncoding("utf8").on("data", keep);
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${argv.join(" ")}`);
  return {
    pid,
    log: () => text,
    [Symbol.asyncDispose]: () => endProgram(child),
  };
}

/** Waits for "exit", not "close": a grandchild that keeps the pipes open must not hold us up. */
async function endProgram(child: ChildProcess): Promise<void> {
  child.stdin?.end();
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    const limit = AbortSignal.timeout(END_MS);
    const ended = once(child, "exit", { signal: limit });
    child.kill(signal);
    await ended.catch((error: Error) => {
      if (!limit.aborted) throw error;
    });
  }
  child.stdout?.destroy();
  child.stderr?.destroy();
  if (child.exitCode === null && child.signalCode === null)
    throw new Error(`process ${child.pid} does not end, not even by SIGKILL`);
}

/** Asks `probe` every 20 ms until it answers true; rejects after `timeoutMs` with what was awaited. */
export async function until(
  what: () => string,
  timeoutMs: number,
  probe: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await probe())) {
    if (performance.now() > deadline) throw new Error(`no ${what()} within ${timeoutMs} ms`);
    await sleep(20, undefined, { signal: interruption.signal });
  }
}
