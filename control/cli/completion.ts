/** `nodemesh completion SHELL`: a script for the shell, generated from the commands and options themselves. */

import { Argument, type Command } from "commander";

/** What can follow a chain of commands. */
interface Level {
  /** The commands before, joined by spaces; empty = nodemesh itself. */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly help: string }[];
  /** What may follow an option or take an argument's place, from closed lists. */
  readonly choices: ReadonlyMap<string, readonly string[]>;
}

const SHELLS = ["bash", "zsh", "fish"] as const;

/** Adds the command. Add it last: it knows the commands that were added before. */
export function addCompletion(program: Command, print: (text: string) => void): void {
  program
    .command("completion")
    .description("print a completion script: source <(nodemesh completion bash)")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .action((shell: string) => print(completionScript(program, shell)));
}

/** The script for one shell. Pure. */
export function completionScript(program: Command, shell: string): string {
  const levels = levelsOf(program, "");
  if (shell === "fish") return fishScript(levels);
  return shell === "zsh" ? `${ZSH_HEAD}\n${bashScript(levels)}` : bashScript(levels);
}

function levelsOf(command: Command, path: string): readonly Level[] {
  const options = command.options.filter(({ hidden }) => !hidden);
  const choices = new Map<string, readonly string[]>();
  for (const { short, long, argChoices } of options)
    for (const name of [short, long])
      if (name !== undefined && argChoices !== undefined) choices.set(name, argChoices);
  const positional = command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []);
  const words = [
    ...command.commands.map((one) => ({ word: one.name(), help: one.description() })),
    ...positional.map((word) => ({ word, help: "" })),
    ...options.flatMap(({ short, long, description }) =>
      [short, long].flatMap((word) => (word === undefined ? [] : [{ word, help: description }])),
    ),
    { word: "--help", help: "display help" },
  ];
  const below = command.commands.flatMap((one) =>
    levelsOf(one, path === "" ? one.name() : `${path} ${one.name()}`),
  );
  return [{ path, words, choices }, ...below];
}

const ZSH_HEAD = "#compdef nodemesh\nautoload -U +X bashcompinit && bashcompinit";

/** The longest chain of words that is a command decides what is offered. */
function bashScript(levels: readonly Level[]): string {
  const known = levels.map(({ path }) => path).filter((path) => path !== "");
  const cases = levels.map(
    ({ path, words }) =>
      `    ${quoted(path)}) words=${quoted(words.map(({ word }) => word).join(" "))} ;;`,
  );
  const values = levels.flatMap(({ path, choices }) =>
    [...choices].map(
      ([option, list]) =>
        `    ${quoted(`${path} ${option}`.trim())}) words=${quoted(list.join(" "))} ;;`,
    ),
  );
  return `_nodemesh() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path="" next word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    next="\${path:+$path }$word"
    case "$next" in
    ${known.map(quoted).join("|")}) path="$next" ;;
    esac
  done
  case "$path" in
${cases.join("\n")}
  esac
  case "\${path:+$path }$before" in
${values.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _nodemesh nodemesh`;
}

function fishScript(levels: readonly Level[]): string {
  const lines = levels.flatMap(({ path, words, choices }) => {
    const last = path.split(" ").at(-1) ?? "";
    const when = path === "" ? "__fish_use_subcommand" : `__fish_seen_subcommand_from ${last}`;
    return words.map(({ word, help }) => {
      const name = word.startsWith("--")
        ? `-l ${word.slice(2)}`
        : word.startsWith("-")
          ? `-s ${word.slice(1)}`
          : `-a ${quoted(word)}`;
      const list = choices.get(word);
      const values = list === undefined ? "" : ` -x -a ${quoted(list.join(" "))}`;
      return `complete -c nodemesh -n ${quoted(when)} ${name}${values} -d ${quoted(help)}`;
    });
  });
  return lines.join("\n");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
