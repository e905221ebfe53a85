/** `sim up` and `sim down`. Up runs the supervisor here (until Ctrl-C) or in a process of its own (--detach). */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { ensurePackages } from "../../../test/tools/debian-packages.ts";
import { problemsOf } from "../api/check.ts";
import { callApi, NoSupervisor } from "../api/wire.ts";
import { livingSupervisor, removeAll } from "../cleanup.ts";
import type { RawObject } from "../cluster/raw.ts";
import { PROMETHEUS_PORT } from "../mesh/prometheus.ts";
import { MAX_NODES } from "../net/plan.ts";
import { type SimPaths, simPaths } from "../paths.ts";
import { checkRequirements } from "../requirements.ts";
import { type SuperviseOptions, supervise } from "../supervisor.ts";
import { simCommand, simName, type Terminal } from "./context.ts";
import { readManifests } from "./manifest-files.ts";
import { seconds } from "./numbers.ts";
import { collect } from "./objects.ts";

interface UpOptions {
  readonly filename: readonly string[];
  readonly nodes: number;
  readonly detach?: boolean;
  readonly mesh: boolean;
  readonly timeout: number;
  readonly workers: number;
  readonly prometheus?: number;
  readonly child?: boolean;
}

/** Adds both verbs to the program. */
export function addUpAndDown(program: Command, terminal: Terminal): void {
  program
    .command("up")
    .description("start a simulated cluster from manifests and wait until everything is ready")
    .option("-f, --filename <path>", "file or directory of manifests (repeatable)", collect, [])
    .option("--nodes <n>", "virtual nodes", wholeNumber(1, MAX_NODES), 2)
    .option("--detach", "leave it running in the background; end it with `sim down`")
    .option("--no-mesh", "only the cluster: no control plane, no agents")
    .option("--workers <n>", "data workers of each agent", wholeNumber(1, 64), 1)
    .addOption(
      prometheusOption(
        "Debian's Prometheus beside it, with nodemesh's rules, on this port of the loopback (0: any)",
      ),
    )
    .option(
      "--timeout <seconds>",
      "give up and take down when not ready after this long",
      seconds,
      30,
    )
    .action(async (options: UpOptions, command: Command) => {
      const sim = simPaths(simName(command));
      checkRequirements();
      refuseSecond(sim);
      preparePrometheus(options, terminal);
      // Read before anything is made: a typing mistake should cost nothing.
      checkManifests(readManifests(options.filename));
      if (options.detach === true) await upDetached(sim, options, terminal);
      else await superviseHere(sim, options, terminal);
    });
  program
    .command("supervise", { hidden: true })
    .option("-f, --filename <path>", "", collect, [])
    .option("--nodes <n>", "", wholeNumber(1, MAX_NODES), 2)
    .option("--no-mesh", "")
    .option("--workers <n>", "", wholeNumber(1, 64), 1)
    .addOption(prometheusOption(""))
    .option("--timeout <seconds>", "", seconds, 30)
    .action(async (options: UpOptions, command: Command) => {
      await superviseForParent(simPaths(simName(command)), options);
    });
  program
    .command("down")
    .description("take the simulation down and remove everything it made, also after a crash")
    .action(async (_options: unknown, command: Command) => {
      await down(simPaths(simName(command)), terminal);
    });
}

function prometheusOption(description: string): Option {
  return new Option("--prometheus [port]", description)
    .preset(String(PROMETHEUS_PORT))
    .argParser(wholeNumber(0, 65_535));
}

function preparePrometheus({ prometheus, mesh }: UpOptions, terminal: Terminal): void {
  if (prometheus === undefined) return;
  if (!mesh) throw new Error("--prometheus scrapes the mesh: it can't go with --no-mesh");
  ensurePackages("sim", (line) => terminal.err(line));
}

function checkManifests(objects: readonly RawObject[]): void {
  const problems = problemsOf(objects);
  if (problems.length > 0) throw new Error(problems.join("\nerror: "));
}

function refuseSecond(sim: SimPaths): void {
  const pid = livingSupervisor(sim);
  if (pid === undefined) return;
  throw new Error(
    `a simulation named "${sim.name}" is running already (pid ${pid}): end it with \`${simCommand(sim.name)} down\`, or start another with --name OTHER`,
  );
}

function superviseOptions(sim: SimPaths, options: UpOptions): SuperviseOptions {
  return {
    sim,
    nodes: options.nodes,
    mesh: options.mesh,
    workers: options.workers,
    prometheusPort: options.prometheus,
    objects: readManifests(options.filename),
    timeoutMs: options.timeout * 1_000,
  };
}

async function superviseHere(sim: SimPaths, options: UpOptions, terminal: Terminal): Promise<void> {
  const supervisor = await supervise(superviseOptions(sim, options), (line) => terminal.err(line));
  terminal.err("ready; Ctrl-C takes it down");
  await supervisor.ended;
  terminal.err("everything is removed");
}

/** What the detached supervisor tells the process that started it. */
type Message =
  | { readonly kind: "progress"; readonly line: string }
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly problem: string };

/** Runs in the detached process: progress goes to the parent while it listens, and to the log. */
async function superviseForParent(sim: SimPaths, options: UpOptions): Promise<void> {
  const tell = (message: Message): void => {
    // A parent that has just ended is noticed by "disconnect"; that nobody reads this is no error.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
  };
  // Who started it was interrupted before it was ready: then nobody wants it.
  const abandoned = new AbortController();
  const abandon = (): void => abandoned.abort();
  process.once("disconnect", abandon);
  const log = (line: string): void => {
    process.stderr.write(`${new Date().toISOString()} ${line}\n`);
    tell({ kind: "progress", line });
  };
  try {
    const supervisor = await supervise(superviseOptions(sim, options), log, abandoned.signal);
    process.off("disconnect", abandon);
    tell({ kind: "ready" });
    if (process.connected) process.disconnect?.();
    await supervisor.ended;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    process.stderr.write(`failed: ${problem}\n`);
    process.exitCode = 1;
    tell({ kind: "failed", problem });
    if (process.connected) process.disconnect?.();
  }
}

async function upDetached(sim: SimPaths, options: UpOptions, terminal: Terminal): Promise<void> {
  const child = startSupervisor(sim, options);
  const problem = await new Promise<string | undefined>((resolve) => {
    child.on("message", (message) => {
      const said = message as Message;
      if (said.kind === "progress") terminal.err(said.line);
      else resolve(said.kind === "ready" ? undefined : said.problem);
    });
    child.once("exit", (code) => resolve(`the supervisor ended with code ${code}; see ${sim.log}`));
  });
  if (problem !== undefined) throw new Error(problem);
  child.unref();
  terminal.err(`ready; end it with: ${simCommand(sim.name)} down`);
}

function startSupervisor(sim: SimPaths, options: UpOptions): ChildProcess {
  // Beside the state directory, which the supervisor first empties.
  const log = openLog(sim.log);
  const flags = [
    ...options.filename.flatMap((path) => ["-f", path]),
    ...["--nodes", String(options.nodes), "--workers", String(options.workers)],
    ...["--timeout", String(options.timeout)],
    ...(options.mesh ? [] : ["--no-mesh"]),
    ...(options.prometheus === undefined ? [] : [`--prometheus=${options.prometheus}`]),
  ];
  const main = new URL("../main.ts", import.meta.url).pathname;
  const child = spawn(process.execPath, [main, "--name", sim.name, "supervise", ...flags], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
  });
  closeSync(log);
  return child;
}

function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  return openSync(path, "w");
}

/** A supervisor that has not taken everything down by then is stuck. */
const DOWN_PATIENCE_MS = 30_000;
const POLL_MS = 20;

async function down(sim: SimPaths, terminal: Terminal): Promise<void> {
  const pid = livingSupervisor(sim);
  if (pid !== undefined && (await endSupervisor(sim, pid))) {
    terminal.err("everything is removed");
    return;
  }
  const removed = await removeAll(sim);
  for (const line of removed) terminal.err(`removed ${line}`);
  terminal.err(removed.length === 0 ? "nothing was running" : "everything is removed");
}

/** Asks a supervisor to take everything down; false when it had to be killed, so that all is left to the caller. */
async function endSupervisor(sim: SimPaths, pid: number): Promise<boolean> {
  const patience = AbortSignal.timeout(DOWN_PATIENCE_MS);
  try {
    const { problems } = await callApi(sim.api, { verb: "down" }, patience);
    if (problems.length > 0) throw new Error(problems.join("\n"));
  } catch (error) {
    if (patience.aborted) {
      process.kill(pid, "SIGKILL");
      return false;
    }
    if (!(error instanceof NoSupervisor)) throw error;
    // It is just being started and does not listen yet.
    process.kill(pid, "SIGTERM");
  }
  while (livingSupervisor(sim) !== undefined && !patience.aborted) await sleep(POLL_MS);
  return !patience.aborted;
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
    return value;
  };
}
