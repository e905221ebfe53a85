/** What every verb is given by main.ts: the outside world, and how to answer. */

import type { Command } from "commander";
import type { Reply, Request } from "../api/protocol.ts";
import { callApi, NoSupervisor } from "../api/wire.ts";
import { simPaths } from "../paths.ts";

/** The outside of the process, so that the verbs touch neither console nor process. */
export interface Terminal {
  /** A piece of result, as it is. */
  write(bytes: Uint8Array): void;
  /** A line of result. */
  out(line: string): void;
  /** A line about the work. */
  err(line: string): void;
  /** The exit code of the process when all is done. */
  setExitCode(code: number): void;
  /** Whether standard output is a person's terminal. */
  readonly interactive: boolean;
}

/** Name of the simulation when --name says none. */
export const DEFAULT_NAME = "default";

/** Options that all verbs share. */
export interface GlobalOptions {
  readonly name: string;
}

/** The simulation's name, from the program's own option. */
export function simName(command: Command): string {
  return command.optsWithGlobals<GlobalOptions>().name;
}

/** How to call the CLI for that simulation, for hints. */
export function simCommand(name: string): string {
  return name === DEFAULT_NAME ? "nodemesh sim" : `nodemesh sim --name ${name}`;
}

/** Asks the supervisor; throws an Error with the next step when there is none. */
export async function call(command: Command, request: Request): Promise<Reply> {
  const name = simName(command);
  try {
    return await callApi(simPaths(name).api, request);
  } catch (error) {
    if (!(error instanceof NoSupervisor)) throw error;
    throw new Error(
      `no simulation ${name === DEFAULT_NAME ? "" : `named "${name}" `}is running; start one: ${simCommand(name)} up -f deploy/samples/shop.yaml --detach`,
    );
  }
}

/** Asks the supervisor and shows its answer: lines to stdout, problems to stderr with exit code 1. */
export async function ask(command: Command, terminal: Terminal, request: Request): Promise<Reply> {
  const reply = await call(command, request);
  for (const line of reply.lines) terminal.out(line);
  for (const warning of reply.warnings ?? []) terminal.err(`warning: ${warning}`);
  for (const problem of reply.problems) terminal.err(`error: ${problem}`);
  if (reply.problems.length > 0) terminal.setExitCode(1);
  return reply;
}
