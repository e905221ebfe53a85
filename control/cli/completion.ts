/** `nodemesh completion SHELL`: a script for the shell, generated from the commands and options themselves. */

import { Argument, type Command } from "commander";
import { type Flag, type Level, levelsOf, offerAfter } from "./completion-levels.ts";
import { SIM_LEVELS } from "./sim-levels.gen.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** Adds the command. Add it last: it knows the commands that were added before. */
export function addCompletion(program: Command, print: (text: string) => void): void {
  program
    .command("completion")
    .description("print a completion script: source <(nodemesh completion bash)")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .action((shell: string) => print(completionScript(allLevels(program), shell)));
}

/** Bits of cobra, by which kubectl reads the last line of what completes a plugin. */
const NO_SPACE = 2;
const NO_FILES = 4;

/**
 * What kubectl wants to hear when it completes its plugin: a line for each word, with its help behind a tabulator, and
 * a last one of what the shell is to do. `typed`: the words after the plugin's name, of which the last is not finished.
 */
export function pluginCompletion(program: Command, typed: readonly string[]): readonly string[] {
  const [begun = "", before] = [typed.at(-1), typed.slice(0, -1)];
  const { words, files } = offerAfter(allLevels(program), before);
  const fitting = words.filter(
    ({ word }) => word.startsWith(begun) && (begun !== "" || !word.startsWith("-")),
  );
  const goesOn = fitting.length > 0 && fitting.every(({ word }) => word.endsWith("="));
  const directive = (files ? 0 : NO_FILES) + (goesOn ? NO_SPACE : 0);
  return [
    ...fitting.map(({ word, help }) => (help === "" ? word : `${word}\t${help}`)),
    `:${directive}`,
  ];
}

/** The simulator is a program of its own: what it takes comes from a generated list. */
function allLevels(program: Command): readonly Level[] {
  return [...levelsOf(program, "").filter(({ path }) => path !== "sim"), ...SIM_LEVELS];
}

/** The script for one shell. Pure. */
export function completionScript(levels: readonly Level[], shell: string): string {
  if (shell === "fish") return fishScript(levels);
  return `${offerFunction(levels)}\n${shell === "zsh" ? ZSH_REST : BASH_REST}`;
}

/**
 * A function that bash and zsh both read: it is given the words between the program and the cursor, and puts what
 * may follow into `offer`; nothing where any file may. The longest chain of words that is a command decides.
 */
function offerFunction(levels: readonly Level[]): string {
  const chains = levels.map(({ path }) => path).filter((path) => path !== "");
  const offers = levels.map(({ path, words, options }) => {
    const all = [...words.map(({ word }) => word), ...options.flatMap(({ names }) => names)];
    return `  ${quoted(path)}) offer=${quoted(all.join(" "))} ;;`;
  });
  const values = levels.flatMap(({ path, options }) =>
    options.flatMap(({ names, values: list }) => {
      const patterns = names.map((name) => quoted(`${path} ${name}`.trim())).join("|");
      return list === undefined ? [] : [`  ${patterns}) offer=${quoted(list.join(" "))} ;;`];
    }),
  );
  return `_nodemesh_offer() {
  local chain="" before="" word
  for word in "$@"; do
    before="$word"
    case "\${chain:+$chain }$word" in
    ${chains.map(quoted).join("|")}) chain="\${chain:+$chain }$word" ;;
    esac
  done
  case "$chain" in
${offers.join("\n")}
  esac
  case "\${chain:+$chain }$before" in
${values.join("\n")}
  esac
}`;
}

const BASH_REST = `_nodemesh() {
  local offer=""
  _nodemesh_offer "\${COMP_WORDS[@]:1:COMP_CWORD-1}"
  COMPREPLY=($(compgen -W "$offer" -- "\${COMP_WORDS[COMP_CWORD]}"))
  case "\${COMPREPLY-}" in
  *=) compopt -o nospace ;;
  esac
}
complete -o default -F _nodemesh nodemesh`;

/** Both sourced and as the file _nodemesh of $fpath, where its first call is what reads it. */
const ZSH_REST = `(( $+functions[compdef] )) || { autoload -U compinit && compinit; }
_nodemesh() {
  local offer=""
  _nodemesh_offer "\${(@)words[2,$((CURRENT-1))]}"
  local -a all=(\${=offer})
  (( $#all )) || { _files; return; }
  compadd -- \${all:#*=}
  compadd -S '' -- \${(M)all:#*=}
}
compdef _nodemesh nodemesh
[[ "\${funcstack[1]-}" != _nodemesh ]] || _nodemesh "$@"`;

function fishScript(levels: readonly Level[]): string {
  const chains = levels.map(({ path }) => path).filter((path) => path !== "");
  const lines = levels.flatMap(({ path, words, options }) => {
    const when = `complete -c nodemesh -n ${quoted(`__nodemesh_at ${quoted(path)}`)}`;
    return [
      ...words.map(({ word, help }) => `${when} -a ${quoted(word)} -d ${quoted(help)}`),
      ...options.map((flag) => `${when} ${fishFlag(flag)} -d ${quoted(flag.help)}`),
    ];
  });
  return `function __nodemesh_at
  set -l chain ''
  for word in (commandline -opc)[2..]
    set -l next (string trim "$chain $word")
    contains -- $next ${chains.map(quoted).join(" ")}; and set chain $next
  end
  test "$chain" = "$argv[1]"
end
complete -c nodemesh -f
${lines.join("\n")}`;
}

function fishFlag({ names, values }: Flag): string {
  const shown = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  if (values !== undefined)
    shown.push(values.length === 0 ? "-r -F" : `-x -a ${quoted(values.join(" "))}`);
  return shown.join(" ");
}

/** For all three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
