/** Child processes of the bench: started in a network namespace, waited for, always ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { inNetns } from "../../agent/kernel/netns.ts";

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

/** Starts a program; `netnsFile` names the namespace it is born in (absent = ours). */
export function startProgram(argv: readonly string[], netnsFile?: string): ChildProcess {
  const [program = "", ...args] = argv;
  const start = (): ChildProcess =>
    spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], detached: false });
  if (netnsFile === undefined) return start();
  const netns = openSync(netnsFile, "r");
  try {
    return inNetns(netns, start); // fork happens inside spawn(), on this thread
  } finally {
    closeSync(netns);
  }
}

/** Runs a program to its end. Rejects when it takes longer than `timeoutMs`, or cannot be started. */
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
  const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
  try {
    const [code] = (await once(child, "close")) as [number | null];
    if (code === null) throw new Error(`${argv.join(" ")} was killed: ${stderr.slice(-2000)}`);
    return { code, stdout, stderr };
  } finally {
    clearTimeout(timer);
  }
}

/** Starts a program that stays; disposing it asks it to end, and kills it after two seconds. */
export function startService(argv: readonly string[], netnsFile?: string): Service {
  const child = startProgram(argv, netnsFile);
  let text = "";
  const keep = (bytes: Buffer): void => {
    text = (text + bytes.toString()).slice(-8_000);
  };
  child.stdout?.on("data", keep);
  child.stderr?.on("data", keep);
  const { pid } = child;
  if (pid === undefined) throw new Error(`cannot start ${argv.join(" ")}`);
  return {
    pid,
    log: () => text,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const closed = once(child, "close");
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 2_000);
      await closed;
      clearTimeout(timer);
    },
  };
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
    await sleep(20);
  }
}
