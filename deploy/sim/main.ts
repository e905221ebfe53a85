/** `nodemesh sim`: argv in, verbs, exit code out. The only file of the simulator with console and exit codes. */

import { Command, CommanderError, InvalidArgumentError } from "commander";
import { DEFAULT_NAME, type Terminal } from "./commands/context.ts";
import { addExec } from "./commands/exec.ts";
import { addObjectVerbs } from "./commands/objects.ts";
import { addProcessVerbs } from "./commands/processes.ts";
import { addStatus } from "./commands/status.ts";
import { addUpAndDown } from "./commands/up.ts";
import { NAME_PATTERN } from "./paths.ts";

/** Exit code of wrong usage, as most programs have it. */
const USAGE = 2;

// A reader that has seen enough (`… | head -1`) is no error; the verb goes on to its end.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

const terminal: Terminal = {
  write: (bytes) => {
    process.stdout.write(bytes);
  },
  out: (line) => console.log(line),
  err: (line) => console.error(line),
  setExitCode: (code) => {
    process.exitCode = code;
  },
  interactive: process.stdout.isTTY === true,
};

const program = new Command("nodemesh sim")
  .description("A Kubernetes-like cluster on this machine, with the real mesh. Needs root.")
  .option("--name <name>", "which simulation, when there are several", simulationName, DEFAULT_NAME)
  .enablePositionalOptions()
  .showHelpAfterError(
    "(`nodemesh sim --help` lists the verbs, `nodemesh sim VERB --help` what they take)",
  )
  .exitOverride();
addUpAndDown(program, terminal);
addExec(program, terminal);
addObjectVerbs(program, terminal);
addProcessVerbs(program, terminal);
addStatus(program, terminal);
for (const command of program.commands) command.exitOverride();

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
// A supervisor that has taken everything down must be gone, whatever handle a library still holds.
process.exit();

function report(error: unknown): number {
  if (error instanceof InvalidArgumentError) {
    console.error(`error: ${error.message}`);
    return USAGE;
  }
  // commander has said what was wrong already (or printed the help that was asked for).
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
}

function simulationName(text: string): string {
  if (!NAME_PATTERN.test(text))
    throw new InvalidArgumentError("must be lower-case letters, digits and dashes, at most 31");
  return text;
}
