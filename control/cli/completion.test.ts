/** The completion scripts, run by real shells: bash, zsh and fish. `npm test` installs them. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Argument, Command, Option } from "commander";
import { addCompletion, completionScript, pluginCompletion } from "./completion.ts";
import { type Level, levelsOf } from "./completion-levels.ts";

/** A shell that hangs (on a question of its own, for one) is ended, and the test fails. */
const TIMEOUT_MS = 20_000;

const folder = mkdtempSync(join(tmpdir(), "nodemesh-completion-"));
after(() => rmSync(folder, { recursive: true }));

/** The program of the tests. */
function levels(): readonly Level[] {
  return levelsOf(program(), "");
}

function program(): Command {
  const made = new Command("nodemesh");
  made
    .command("check")
    .description("it's checked")
    .option("--pre", "before")
    .option("--file <path>", "any file")
    .addOption(new Option("-o, --output <format>", "format").choices(["table", "json"]));
  made.command("image").command("list").option("--long", "more");
  made.command("hide", { hidden: true });
  made.command("install").option("--set <key=value...>", "an option");
  // The same word at two places, as `status` and `sim status` are.
  made.command("list").addArgument(new Argument("<what>", "what").choices(["pods", "nodes"]));
  return made;
}

type Shell = "bash" | "zsh" | "fish";

function written(shell: Shell, script: string): string {
  const file = join(folder, `_nodemesh.${shell}`);
  writeFileSync(file, `${script}\n`);
  return file;
}

function run(shell: Shell, args: readonly string[]): string {
  const env = { PATH: "/usr/bin:/bin", HOME: folder, ZDOTDIR: folder, TERM: "xterm" };
  return execFileSync(shell, args, { encoding: "utf8", env, timeout: TIMEOUT_MS });
}

/** Completes the last of `words`; `compopt` says on a line of its own that no space follows. */
const BASH = `
. "$1"; shift
compopt() { printf '%s\\n' "$*"; }
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _nodemesh; printf '%s\\n' "\${COMPREPLY[@]}"`;

/** A terminal with a zsh in it, where the tabulator is pressed; its compadd writes down what it is given. */
const ZSH = `
zmodload zsh/zpty
cat > "$ZDOTDIR/.zshrc" <<END
PS1= ; unset zle_bracketed_paste
. \${(q)1}
compadd() {
  [[ \\\${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]] || {
    local -a hits; builtin compadd -A hits "\\$@"; print -rl -- \\$hits >> \${(q)3}
  }
  builtin compadd "\\$@"
}
comppostfuncs=(exit)
zle-line-init() { print -n READY }
zle -N zle-line-init
bindkey '^I' complete-word
END
: > "$3"
zpty shell zsh -i
zpty -r shell seen '*READY*' || exit 3
zpty -w -n shell "$2"$'\\t'
while zpty -r shell seen; do :; done
cat "$3"`;

/** What a shell offers for the last of `words`, sorted. */
function offered(shell: Shell, script: string, words: readonly string[]): readonly string[] {
  const file = written(shell, script);
  const line = words.join(" ");
  const args: Readonly<Record<Shell, readonly string[]>> = {
    bash: ["--norc", "-uc", BASH, "bash", file, ...words],
    zsh: ["-fc", ZSH, "zsh", file, line, join(folder, "offered")],
    fish: ["--no-config", "-c", 'source $argv[1]; complete -C "$argv[2]"', file, line],
  };
  const lines = run(shell, args[shell]).split("\n");
  const found = lines.map((one) => one.split("\t")[0] ?? "").filter((one) => one !== "");
  return [...new Set(found)].sort();
}

/** What is typed after the program, and what is offered. Options are asked for by their dash: fish wants that. */
const CASES: readonly (readonly [typed: readonly string[], offers: readonly string[]])[] = [
  [["ch"], ["check"]],
  [
    ["check", "--"],
    ["--file", "--help", "--output", "--pre"],
  ],
  [
    ["check", "-o", ""],
    ["json", "table"],
  ],
  [["check", "--pre", "--output", "j"], ["json"]],
  [["image", "l"], ["list"]],
  [["image", "list", "--l"], ["--long"]],
  [["list", "n"], ["nodes"]],
  [["image", "list", "n"], []],
];

for (const shell of ["bash", "zsh", "fish"] as const) {
  const script = completionScript(levels(), shell);
  for (const [typed, offers] of CASES)
    test(`${shell} offers ${offers.join(", ") || "nothing"} for "nodemesh ${typed.join(" ")}"`, () => {
      assert.deepEqual(offered(shell, script, ["nodemesh", ...typed]), offers);
    });

  test(`${shell} offers the keys of --set, without a space behind`, () => {
    const said = offered(shell, script, ["nodemesh", "install", "--set", "agent.w"]);
    assert.deepEqual(
      said,
      shell === "bash" ? ["-o nospace", "agent.workers="] : ["agent.workers="],
    );
  });

  test(`${shell} knows the simulator's commands, the agent's pages, and no hidden command`, () => {
    const script = printed(shell);
    const after = (...words: readonly string[]): readonly string[] =>
      offered(shell, script, ["nodemesh", ...words]);
    assert.deepEqual(after("sim", "an"), ["annotate"]);
    assert.deepEqual(after("sim", "up", "--de"), ["--detach"]);
    assert.deepEqual(after("sim", "s"), ["scale", "status"]);
    assert.deepEqual(after("com"), ["completion"]);
    assert.deepEqual(after("completion", "z"), ["zsh"]);
    assert.ok(!script.includes("supervise"));
  });
}

/** What the command prints. */
function printed(shell: Shell): string {
  const program = new Command("nodemesh");
  program.command("sim");
  let text = "";
  addCompletion(program, (words) => {
    text = words;
  });
  program.parse(["completion", shell], { from: "user" });
  return text;
}

test("zsh takes the script from $fpath too, at the first tabulator", () => {
  const file = written("zsh", completionScript(levels(), "zsh"));
  const script = `
autoload -U compinit && compinit -D
autoload -Uz _nodemesh
words=(nodemesh ch) CURRENT=2
compadd() { print -r -- "$@" }
fpath=("$1" $fpath); mv "$2" "$1/_nodemesh"; _nodemesh`;
  assert.match(run("zsh", ["-fc", script, "zsh", folder, file]), /check/);
});

test("kubectl is told the same, in its own format", () => {
  for (const [typed, offers] of CASES) {
    const lines = pluginCompletion(program(), typed);
    const words = lines.slice(0, -1).map((line) => line.split("\t")[0] ?? "");
    assert.deepEqual(words.sort(), offers, typed.join(" "));
    assert.equal(lines.at(-1), ":4", typed.join(" "));
  }
  const after = (...typed: readonly string[]) => pluginCompletion(program(), typed);
  assert.deepEqual(after("ch"), ["check\tit's checked", ":4"]);
  assert.deepEqual(after("check", "--file", ""), [":0"]);
  assert.deepEqual(after("install", "--set", "agent.w"), ["agent.workers=", ":6"]);
  assert.match(after("sim", "an").join("\n"), /^annotate\t.+\n:4$/);
});
