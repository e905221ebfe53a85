/** What can follow each chain of commands, read from a commander program. Pure. */

import type { Argument, Command, Option } from "commander";
import { OPTION_TABLE } from "../../deploy/manifests/option-table.ts";

/** What can follow a chain of commands. */
export interface Level {
  /** The commands before, joined by spaces; empty = nodemesh itself. */
  readonly path: string;
  /** Subcommands, and arguments of closed lists. */
  readonly words: readonly Word[];
  readonly options: readonly Flag[];
}

/** One word that may come next. */
export interface Word {
  readonly word: string;
  /** One line for people; empty when the word says it all. */
  readonly help: string;
}

/** One option. */
export interface Flag {
  /** Short and long name, or one of them, with their dashes. */
  readonly names: readonly string[];
  readonly help: string;
  /** Absent: it takes no value. Empty: any value, a file for one. Values that end in `=` go on after it. */
  readonly values?: readonly string[];
}

/** The levels of a command and of everything below it. `path`: the chain that leads to it. */
export function levelsOf(command: Command, path: string): readonly Level[] {
  const help = command.createHelp();
  // The help subcommand that commander shows is no command of ours, and --help does the same.
  const commands = help.visibleCommands(command).filter((one) => command.commands.includes(one));
  const here: Level = {
    path,
    words: [
      ...commands.map((one) => ({ word: one.name(), help: one.description() })),
      ...command.registeredArguments.flatMap(wordsOf),
    ],
    options: help.visibleOptions(command).map(flagOf),
  };
  return [here, ...commands.flatMap((one) => levelsOf(one, `${path} ${one.name()}`.trim()))];
}

function wordsOf({ argChoices }: Argument): readonly Word[] {
  return (argChoices ?? []).map((word) => ({ word, help: "" }));
}

function flagOf({ short, long, description, required, optional, argChoices }: Option): Flag {
  const names = [short, long].filter((name) => name !== undefined);
  const known = long === "--set" ? OPTION_TABLE.map(({ path }) => `${path}=`) : argChoices;
  const values = required || optional ? { values: known ?? [] } : {};
  return { names, help: description, ...values };
}

/** What may follow some words, and what the shell is to do with it. */
export interface Offer {
  readonly words: readonly Word[];
  /** Where any file may follow. */
  readonly files: boolean;
}

/** What may follow `typed`, the whole words after the program's name: by the longest chain of them that is a command. */
export function offerAfter(levels: readonly Level[], typed: readonly string[]): Offer {
  let chain = "";
  for (const word of typed) {
    const next = `${chain} ${word}`.trim();
    if (levels.some(({ path }) => path === next)) chain = next;
  }
  const here = levels.find(({ path }) => path === chain);
  const last = here?.options.find(({ names }) => names.includes(typed.at(-1) ?? ""));
  if (last?.values !== undefined)
    return {
      words: last.values.map((word) => ({ word, help: "" })),
      files: last.values.length === 0,
    };
  const flags = here?.options.flatMap(({ names, help }) => names.map((word) => ({ word, help })));
  return { words: [...(here?.words ?? []), ...(flags ?? [])], files: false };
}
