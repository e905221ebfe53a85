/** The words of `nodemesh sim`: all verbs with their options. What they do is theirs. */

import { Command, InvalidArgumentError } from "commander";
import { DEFAULT_NAME, type Terminal } from "./commands/context.ts";
import { addExec } from "./commands/exec.ts";
import { addObjectVerbs } from "./commands/objects.ts";
import { addProcessVerbs } from "./commands/processes.ts";
import { addStatus } from "./commands/status.ts";
import { addUpAndDown } from "./commands/up.ts";
import { NAME_PATTERN } from "./paths.ts";

/** The program, ready to parse; verbs throw what goes wrong. */
export function simProgram(terminal: Terminal): Command {
  const program = new Command("nodemesh sim")
    .description("A Kubernetes-like cluster on this machine, with the real mesh. Needs root.")
    .option(
      "--name <name>",
      "which simulation, when there are several",
      simulationName,
      DEFAULT_NAME,
    )
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
  return program;
}

function simulationName(text: string): string {
  if (!NAME_PATTERN.test(text))
    throw new InvalidArgumentError("must be lower-case letters, digits and dashes, at most 31");
  return text;
}
