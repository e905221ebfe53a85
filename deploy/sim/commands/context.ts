/** What every verb is given by main.ts: the outside world, and how to answer. */

import type { Command } from "commander";
import type { Reply, Request } from "../api/protocol.ts";
import { callApi } from "../api/wire.ts";
import { simPaths } from "../paths.ts";

/** The outside of the process, so that the verbs touch neither console nor process. */
export interface Terminal {
  /** A line of result. */
  out(line: string): void;
  /** A line about the work. */
  err(line: string): void;
  /** The exit code of the process when all is done. */
  setExitCode(code: number): void;
  /** Whether standard output is a person's terminal. */
  readonly interactive: boolean;
}

/** Options that all verbs share. */
export interface GlobalOptions {
  readonly name: string;
}

/** The simulation's name, from the program's own option. */
export function simName(command: Command): string {
  return command.optsWithGlobals<GlobalOptions>().name;
}

/** Asks the supervisor and shows its answer: lines to stdout, problems to stderr with exit code 1. */
export async function ask(command: Command, terminal: Terminal, request: Request): Promise<Reply> {
  const reply = await callApi(simPaths(simName(command)).api, request);
  for (const line of reply.lines) terminal.out(line);
  for (const warning of reply.warnings ?? []) terminal.err(`warning: ${warning}`);
  for (const problem of reply.problems) terminal.err(`error: ${problem}`);
  if (reply.problems.length > 0) terminal.setExitCode(1);
  return reply;
}
