/**
 * The `nodemesh` command. One file per command; this one reads the arguments. `sim` is a program of its own
 * (deploy/sim), which bin/nodemesh starts: nothing in control may depend on the simulator.
 */

import { readFileSync } from "node:fs";
import { styleText } from "node:util";
import { Command, CommanderError } from "commander";
import { z } from "zod";
import { visibleLines } from "#model/visible.ts";
import { addAgent } from "./agent.ts";
import { calledAs, inOwnWords } from "./called-as.ts";
import { addCheck } from "./check/command.ts";
import { addCompletion, pluginCompletion } from "./completion.ts";
import type { CliContext } from "./context.ts";
import { addDashboards } from "./dashboards.ts";
import { addInstall } from "./install.ts";
import { addStatus } from "./status/command.ts";
import { addUpgrade } from "./upgrade/command.ts";
import { addVersion } from "./version.ts";

/** Exit codes: 0 done, 1 failed, 2 called wrongly. */
const FAILED = 1;
const USAGE = 2;

// A reader that has seen enough (`nodemesh install | head -1`) is no error, and nothing is left to say.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });

// bin/nodemesh says by which of its links it was called.
const called = calledAs(process.env["NODEMESH_CALLED_AS"] ?? process.argv[1] ?? "");
const program = new Command(called.name)
  .description("A service mesh for Kubernetes with one agent per node and no sidecar.")
  .version(ownVersion(), "--version", "print the version of this command");
const print = (text: string): void => void process.stdout.write(`${text}\n`);
/** For people; what is for programs (manifests, pages of agents) is printed as it is. */
const words = (text: string): string =>
  inOwnWords(
    text,
    called.name,
    program.commands.map((command) => command.name()),
  );
const say = (text: string): void => console.error(visibleLines(words(text)));
const context: CliContext = {
  out: (text) => print(words(text)),
  env: process.env,
  now: () => new Date(),
  paint: (colour, text) => styleText(colour, text, { stream: process.stdout }),
  fail: () => {
    process.exitCode = FAILED;
  },
};
addAgent(program, context, print);
addCheck(program, context);
addStatus(program, context, say);
addInstall(program, { ...context, out: print }, say);
addDashboards(program, print);
addUpgrade(program, { ...context, out: print }, say);
program
  .command("sim")
  .description("a simulated cluster on this machine, with the real mesh: see `nodemesh sim --help`")
  .allowUnknownOption()
  .action(() => {
    throw new Error("start it through bin/nodemesh, which knows where the simulator is");
  });
addVersion(program, context, ownVersion());
addCompletion(program, print);
for (const command of [program, ...program.commands])
  command.exitOverride().configureOutput({
    writeOut: (text) => void process.stdout.write(words(text)),
    writeErr: (text) => void process.stderr.write(visibleLines(words(text))),
  });

try {
  if (called.completes)
    for (const line of pluginCompletion(program, process.argv.slice(2))) print(line);
  else await program.parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  // commander has printed its own errors (and the help that was asked for) already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  say(`error: ${error instanceof Error ? error.message : String(error)}`);
  return FAILED;
}

function ownVersion(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return z.object({ version: z.string() }).parse(JSON.parse(text)).version;
}
