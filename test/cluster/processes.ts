/** Starting programs of a cluster: detached, in its cgroups and namespaces, with nothing of our environment. */

import { execFile, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { isAlive } from "../support/is-alive.ts";

const execute = promisify(execFile);

/** What every program of a cluster gets as its environment: no proxy, no settings of ours. */
export const ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  HOME: "/root",
  LANG: "C.UTF-8",
};

const OUTPUT_LIMIT = 64 << 20;
const RUN_TIMEOUT_MS = 120_000;

/** Runs a program to its end and returns what it printed; throws with its words. */
export async function run(file: string, ...args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await execute(file, [...args], {
      env: { ...ENVIRONMENT },
      maxBuffer: OUTPUT_LIMIT,
      timeout: RUN_TIMEOUT_MS,
    });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as Error & { readonly stderr?: string };
    throw new Error(`${file} ${args.join(" ")}: ${stderr?.trim() || message}`, { cause: error });
  }
}

/** Starts a program that outlives us; its output is appended to a file. */
export function startDetached(command: readonly string[], log: string): void {
  const [file = "", ...args] = command;
  const output = openSync(log, "a");
  try {
    const child = spawn(file, args, {
      detached: true,
      stdio: ["ignore", output, output],
      env: { ...ENVIRONMENT },
      cwd: "/",
    });
    child.on("error", () => undefined); // seen by whoever waits for what it should do
    child.unref();
  } finally {
    closeSync(output);
  }
}

/** A shell command in front of another that puts itself into these cgroups (absolute paths) first. */
export function inCgroups(
  cgroups: readonly string[],
  command: readonly string[],
): readonly string[] {
  const joins = cgroups.map((path) => `echo 0 >'${path}/cgroup.procs' || exit 125`);
  return ["/bin/sh", "-c", [...joins, 'exec "$@"'].join("\n"), "sh", ...command];
}

/** The first of these processes that is alive and whose program has that name (the kernel keeps 15 characters of it). */
export function processNamed(name: string, pids: readonly number[]): number | undefined {
  return pids.find(
    (pid) => textOf(`/proc/${pid}/comm`).trim() === name.slice(0, 15) && isAlive(pid),
  );
}

/** The last lines of a log, to explain why something did not come up. */
export function lastLines(log: string, count: number = 8): string {
  const lines = textOf(log).trimEnd().split("\n");
  const telling = lines.filter((line) => /^[EF]\d|error|fatal|panic/i.test(line));
  return (telling.length > 0 ? telling : lines).slice(-count).join("\n");
}

/** A file's text; empty when it is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
