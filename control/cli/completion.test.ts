/** The completion scripts, run by real shells where they are there: bash is. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { Command, Option } from "commander";
import { completionScript } from "./completion.ts";

function program(): Command {
  const made = new Command("nodemesh");
  made
    .command("check")
    .description("it's checked")
    .option("--pre", "before")
    .addOption(new Option("-o, --output <format>", "format").choices(["table", "json"]));
  made.command("image").command("list").option("--long");
  return made;
}

/** What bash would offer for the last of `words`. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${completionScript(program(), "bash")}
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _nodemesh; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const out = execFileSync("bash", ["-euc", script, "bash", ...words], { encoding: "utf8" });
  return out.split("\n").filter((line) => line !== "");
}

test("bash offers commands, subcommands, options and values", () => {
  assert.deepEqual(offered("nodemesh", ""), ["check", "image", "--help"]);
  assert.deepEqual(offered("nodemesh", "ch"), ["check"]);
  assert.deepEqual(offered("nodemesh", "check", "--"), ["--pre", "--output", "--help"]);
  assert.deepEqual(offered("nodemesh", "check", "-o", ""), ["table", "json"]);
  assert.deepEqual(offered("nodemesh", "check", "--pre", "--output", "j"), ["json"]);
  assert.deepEqual(offered("nodemesh", "image", ""), ["list", "--help"]);
  assert.deepEqual(offered("nodemesh", "image", "list", "--l"), ["--long"]);
});

test("fish gets one line per word, quotes escaped", () => {
  const lines = completionScript(program(), "fish").split("\n");
  assert.ok(lines.some((line) => line.includes("-a 'check' -d 'it'\\''s checked'")));
  assert.ok(lines.some((line) => line.includes("-l output -x -a 'table json'")));
});

test("zsh reads the bash script", () => {
  assert.match(completionScript(program(), "zsh"), /^#compdef nodemesh\n.*bashcompinit/);
});
