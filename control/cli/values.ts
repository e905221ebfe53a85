/** `--values FILE`: options as a YAML file, the same tree as the chart's values, read as the words of `--set`. */

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { parse } from "yaml";
import { nearestOption, OPTION_TABLE, optionAt } from "../../deploy/manifests/option-table.ts";
import { parseOptions } from "../../deploy/manifests/options.ts";
import { field } from "./cluster.ts";

/** Options of the command line that choose options of the installation. */
export interface ChoiceFlags {
  readonly set: readonly string[];
  /** Files; of several the last one that says something counts. */
  readonly values?: readonly string[];
}

/** Adds `--set` and `--values`. */
export function addChoiceOptions(command: Command, setHelp: string): Command {
  return command
    .option("--set <key=value...>", setHelp, [])
    .option("-f, --values <file...>", "options as YAML files; --set counts more", []);
}

/** The words of `--set` that all flags together mean. Throws an Error that names the file and the option. */
export function chosenWords({ set, values = [] }: ChoiceFlags): readonly string[] {
  return [...values.flatMap(wordsOf), ...set];
}

/** What is said of an option that does not exist; `where` it was named. */
export function unknownOption(where: string, path: string): string {
  const near = nearestOption(path);
  const guess = near === undefined ? "" : `did you mean ${near}? `;
  return `${where}: there is no such option; ${guess}\`nodemesh install --help\` lists all`;
}

function wordsOf(file: string): readonly string[] {
  const where = `--values ${file}`;
  const tree = treeOf(file, where);
  const unknown = strangers(tree, "");
  if (unknown[0] !== undefined)
    throw new Error(unknownOption(`${where}: ${unknown[0]}`, unknown[0]));
  try {
    parseOptions(tree);
  } catch (cause) {
    throw new Error(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  return OPTION_TABLE.flatMap(({ path }) => {
    const value = field(tree, ...path.split("."));
    if (value === undefined || value === null) return [];
    return [`${path}=${typeof value === "object" ? JSON.stringify(value) : String(value)}`];
  });
}

function treeOf(file: string, where: string): object {
  let tree: unknown;
  try {
    tree = parse(readFileSync(file, "utf8")) ?? {};
  } catch (cause) {
    throw new Error(`${where}: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
  }
  if (typeof tree !== "object" || tree === null || Array.isArray(tree))
    throw new Error(`${where}: must be a map of options, for example agent: { workers: 2 }`);
  return tree;
}

/** Paths that are neither an option nor a group of some. */
function strangers(tree: object, above: string): readonly string[] {
  return Object.entries(tree).flatMap(([name, value]) => {
    const path = `${above}${name}`;
    if (optionAt(path) !== undefined) return [];
    const isGroup = OPTION_TABLE.some((row) => row.path.startsWith(`${path}.`));
    if (isGroup && typeof value === "object" && value !== null) return strangers(value, `${path}.`);
    return [path];
  });
}
