/** `sim up` and `sim down`. Up runs the supervisor here (until Ctrl-C) or in a process of its own (--detach). */

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { callApi } from "../api/wire.ts";
import { livingSupervisor, removeAll } from "../cleanup.ts";
import { MAX_NODES } from "../net/plan.ts";
import { type SimPaths, simPaths } from "../paths.ts";
import { checkRequirements } from "../requirements.ts";
import { type SuperviseOptions, supervise } from "../supervisor.ts";
import { simName, type Terminal } from "./context.ts";
import { readManifests } from "./manifest-files.ts";
import { collect, seconds } from "./objects.ts";

interface UpOptions {
  readonly filename: readonly string[];
  readonly nodes: number;
  readonly detach?: boolean;
  readonly mesh: boolean;
  readonly timeout: number;
  readonly workers: number;
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
      // Read before anything is made: a typing mistake should cost nothing.
      readManifests(options.filename);
      if (options.detach === true) await upDetached(sim, options, terminal);
      else await superviseHere(sim, options, terminal);
    });
  program
    .command("supervise", { hidden: true })
    .option("-f, --filename <path>", "", collect, [])
    .option("--nodes <n>", "", wholeNumber(1, MAX_NODES), 2)
    .option("--no-mesh", "")
    .option("--workers <n>", "", wholeNumber(1, 64), 1)
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

function refuseSecond(sim: SimPaths): void {
  const pid = livingSupervisor(sim);
  if (pid === undefined) return;
  throw new Error(
    `a simulation named "${sim.name}" is running already (pid ${pid}): end it with \`nodemesh sim --name ${sim.name} down\`, or start another with --name OTHER`,
  );
}

function superviseOptions(sim: SimPaths, options: UpOptions): SuperviseOptions {
  return {
    sim,
    nodes: options.nodes,
    mesh: options.mesh,
    workers: options.workers,
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
    if (process.connected) process.send?.(message);
  };
  try {
    const supervisor = await supervise(superviseOptions(sim, options), (line) => {
      process.stderr.write(`${new Date().toISOString()} ${line}\n`);
      tell({ kind: "progress", line });
    });
    tell({ kind: "ready" });
    if (process.connected) process.disconnect?.();
    await supervisor.ended;
  } catch (error) {
    tell({ kind: "failed", problem: error instanceof Error ? error.message : String(error) });
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
  terminal.err("ready; end it with: nodemesh sim down");
}

function startSupervisor(sim: SimPaths, options: UpOptions): ChildProcess {
  // Beside the state directory, which the supervisor first empties.
  const log = openLog(sim.log);
  const flags = [
    ...options.filename.flatMap((path) => ["-f", path]),
    ...["--nodes", String(options.nodes), "--workers", String(options.workers)],
    ...["--timeout", String(options.timeout)],
    ...(options.mesh ? [] : ["--no-mesh"]),
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

async function down(sim: SimPaths, terminal: Terminal): Promise<void> {
  const pid = livingSupervisor(sim);
  if (pid !== undefined) {
    const { problems } = await callApi(sim.api, { verb: "down" });
    if (problems.length > 0) throw new Error(problems.join("\n"));
    terminal.err("everything is removed");
    return;
  }
  const removed = await removeAll(sim);
  for (const line of removed) terminal.err(`removed ${line}`);
  terminal.err(removed.length === 0 ? "nothing was running" : "everything is removed");
}

function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < min || value > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}`);
    return value;
  };
}
