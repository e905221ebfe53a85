/**
 * `npm test [-- [--shared] [GROUP|FILE|FOLDER…]]`: installs what the tests run, runs them in groups, and
 * fails on any failure, any skip that is not announced, and anything left behind on the machine.
 * `--shared`: somebody else works on this machine meanwhile; what can't be told to be ours is only listed.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { leakedSince, machineState, RUN_MARK } from "../support/machine-state.ts";
import { listFiles, ROOT } from "../support/source-files.ts";
import { ensurePackages } from "./debian-packages.ts";
import { type GroupResult, runGroup } from "./group-run.ts";
import { choose, groupOf, TEST_GROUPS } from "./test-groups.ts";

const BUDGET_SECONDS = 600;

const words = process.argv.slice(2);
const shared = words.includes("--shared");
const started = performance.now();

const files = choose(
  (await listFiles()).filter((path) => path.endsWith(".test.ts")),
  words.filter((word) => !word.startsWith("--")),
);
ensurePackages("test", say);

const mark = randomUUID();
const scratch = mkdtempSync(join(tmpdir(), "nodemesh-test-"));
process.env[RUN_MARK] = mark;
process.env["TMPDIR"] = scratch; // every test's temporary files, so that what stays is seen
const before = machineState(mark);

const results: GroupResult[] = [];
for (const group of TEST_GROUPS) {
  const own = files.filter((file) => groupOf(file) === group).map((file) => join(ROOT, file));
  if (own.length === 0) continue;
  say(`${group.name}: ${own.length} files…`);
  results.push(await runGroup(group, own, (line) => say(line.replaceAll(`${ROOT}/`, ""))));
}
const leaks = await leaksAfter();
process.exitCode = summary() ? 0 : 1;

async function leaksAfter(): Promise<readonly string[]> {
  const left = await leakedSince(before, mark);
  const tempFiles = readdirSync(scratch).map((name) => `temporary ${name}`);
  rmSync(scratch, { recursive: true, force: true });
  return [...left, ...tempFiles.filter((word) => !word.includes("node-compile-cache"))];
}

/** Prints the table and the closing line; true when all is well. */
function summary(): boolean {
  say("");
  say("group         files   pass   fail   skip     time");
  for (const { name, files: count, passed, failures, announced, seconds } of results) {
    const cells = [count, passed, failures.length, announced.length].map((n) =>
      String(n).padStart(7),
    );
    say(`${name.padEnd(12)}${cells.join("")} ${seconds.toFixed(1).padStart(7)}s`);
  }
  for (const { file, seconds } of slowFiles()) say(`slow: ${file} ${seconds.toFixed(1)}s`);
  for (const skip of results.flatMap(({ announced }) => announced)) say(`announced skip: ${skip}`);
  const ours = leaks.filter((word) => !shared || /^(?:process|temporary) /.test(word));
  for (const word of leaks) say(`${ours.includes(word) ? "LEFT BEHIND" : "appeared"}: ${word}`);
  const failures = results.flatMap((result) => result.failures);
  if (failures.length > 0) {
    say("");
    for (const failure of failures) say(`failed: ${failure.split("\n")[0] ?? ""}`);
  }
  const total = (performance.now() - started) / 1000;
  if (total > BUDGET_SECONDS) say(`slower than the budget of ${BUDGET_SECONDS}s`);
  say(`all of it took ${total.toFixed(0)}s`);
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const skipped = results.reduce((sum, result) => sum + result.announced.length, 0);
  say(`${passed} passed, ${failures.length + ours.length} failed, ${skipped} skipped`);
  return passed > 0 && failures.length === 0 && ours.length === 0;
}

function slowFiles(): readonly { readonly file: string; readonly seconds: number }[] {
  return results
    .flatMap(({ slowest }) => slowest)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, 5)
    .map(({ file, seconds }) => ({ file: file.replace(`${ROOT}/`, ""), seconds }));
}

function say(line: string): void {
  console.log(line.replaceAll(`${ROOT}/`, ""));
}
