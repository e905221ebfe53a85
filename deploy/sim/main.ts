/** `nodemesh sim`: argv in, verbs, exit code out. The only file of the simulator with console and exit codes. */

import { CommanderError, InvalidArgumentError } from "commander";
import { visibleLines } from "#model/visible.ts";
import type { Terminal } from "./commands/context.ts";
import { simProgram } from "./program.ts";

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
  out: (line) => console.log(visibleLines(line)),
  err: (line) => console.error(visibleLines(line)),
  setExitCode: (code) => {
    process.exitCode = code;
  },
  interactive: process.stdout.isTTY === true,
};

const program = simProgram(terminal);

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
  terminal.err(`error: ${error instanceof Error ? error.message : String(error)}`);
  return 1;
}
