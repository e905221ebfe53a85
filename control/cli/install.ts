/** `nodemesh install` and `nodemesh uninstall`: print objects for kubectl. */

import type { Command } from "commander";
import { parse } from "yaml";
import type { Manifest } from "../../deploy/manifests/meta.ts";
import { alsoRemoved, installObjects, uninstallObjects } from "../../deploy/manifests/objects.ts";
import {
  allowedValues,
  kindOf,
  OPTION_TABLE,
  type OptionRow,
  optionAt,
  shownDefault,
} from "../../deploy/manifests/option-table.ts";
import { type InstallOptions, parseOptions } from "../../deploy/manifests/options.ts";
import { addClusterOptions, type CliContext, type ClusterOptions } from "./context.ts";
import { yamlText } from "./formats.ts";
import { assertServed, isOperators, needsOperator, seeOperatorOf } from "./operator.ts";
import { addChoiceOptions, type ChoiceFlags, chosenWords, unknownOption } from "./values.ts";

/** Adds both commands. `tell` gets what is for people, beside the manifests. */
export function addInstall(
  program: Command,
  context: CliContext,
  tell: (line: string) => void,
): void {
  const install = program
    .command("install")
    .description("print what to apply: nodemesh install | kubectl apply -f -")
    .option("-n, --namespace <name>", "where the mesh itself runs", "nodemesh")
    .addHelpText("after", optionsHelp());
  addChoiceOptions(install, "an option, for example agent.workers=2; see below");
  addClusterOptions(install).action(
    async (flags: ChoiceFlags & ClusterOptions & { namespace: string }) => {
      const set = chosenWords(flags);
      const objects = installObjects(optionsOf({ namespace: flags.namespace, set }), set);
      if (needsOperator(objects)) {
        const warning = assertServed(objects, await seeOperatorOf(flags, context));
        if (warning !== undefined) tell(warning);
      }
      context.out(yamlOf(objects));
    },
  );
  const uninstall = program
    .command("uninstall")
    .description("print what to delete: nodemesh uninstall | kubectl delete -f -")
    .option("-n, --namespace <name>", "where the mesh runs", "nodemesh")
    .option("--keep-namespace", "delete what nodemesh made in the namespace, not the namespace");
  addClusterOptions(uninstall).action(async (flags: UninstallFlags) => {
    const options = optionsOf({ namespace: flags.namespace, set: [] });
    const fate = flags.keepNamespace === true ? "kept" : "deleted";
    for (const line of alsoRemoved(options, fate)) tell(line);
    const objects = uninstallObjects(options, fate);
    if (fate === "deleted") return context.out(yamlOf(objects));
    const sight = await seeOperatorOf(flags, context);
    if (sight.kind === "unknown") tell(leftToDelete(flags.namespace, sight.why));
    const served = sight.kind === "asked" ? sight.served : new Set<string>();
    context.out(yamlOf(objects.filter(({ kind }) => !isOperators(kind) || served.has(kind))));
  });
}

/** kubectl refuses what names kinds that its cluster does not know. */
function leftToDelete(namespace: string, why: string): string {
  return `whether there are PodMonitors was not seen (${why}): kubectl -n ${namespace} delete podmonitor,prometheusrule -l app.kubernetes.io/part-of=nodemesh`;
}

interface UninstallFlags extends ClusterOptions {
  readonly namespace: string;
  readonly keepNamespace?: boolean;
}

/** Options of the command line that make an installation. */
export interface Flags {
  readonly namespace: string;
  readonly set: readonly string[];
}

/** Reads flags and `--set a.b=value`. Throws an Error that names the option. */
export function optionsOf({ namespace, set }: Flags): InstallOptions {
  const values: Tree = { namespace };
  for (const assignment of set) {
    const at = assignment.indexOf("=");
    if (at < 1)
      throw new Error(`--set ${assignment}: expected KEY=VALUE, for example agent.workers=2`);
    const path = assignment.slice(0, at);
    const found = optionAt(path);
    if (found === undefined) throw new Error(unknownOption(`--set ${path}`, path));
    const text = assignment.slice(at + 1);
    const words = found.row.path.split(".");
    if (found.entry === undefined) assign(values, words, optionValue(found.row, text));
    else assign(values, [...words, found.entry], text);
  }
  return parseOptions(values);
}

/** The options of --set for --help: name, what it is, what it may be, its default. */
export function optionsHelp(): string {
  const lines = OPTION_TABLE.map((row) => {
    const { description } = row.schema;
    const allowed = allowedValues(row);
    return `  ${row.path.padEnd(24)} ${description}${allowed && `: ${allowed}`} (default ${shownDefault(row)})`;
  });
  return ["", "Options for --set and --values (docs/install.md has examples):", ...lines].join(
    "\n",
  );
}

interface Tree {
  [name: string]: unknown;
}

/** What is not of the option's type stays a text, which the option then refuses in its own words. */
function optionValue(row: OptionRow, text: string): unknown {
  const kind = kindOf(row);
  if (kind === "text") return text;
  if (kind === "map" || kind === "yaml") return yamlValue(text);
  if (kind === "flag") return text === "true" || (text === "false" ? false : text);
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? text : value;
}

function yamlValue(text: string): unknown {
  try {
    return parse(text);
  } catch {
    return text;
  }
}

function assign(tree: Tree, [first = "", ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) {
    tree[first] = value;
    return;
  }
  const below = tree[first];
  const next: Tree = typeof below === "object" && below !== null ? { ...below } : {};
  assign(next, rest, value);
  tree[first] = next;
}

/** Many documents, each ready for kubectl. */
export function yamlOf(objects: readonly Manifest[]): string {
  return objects.map(yamlText).join("\n---\n");
}
