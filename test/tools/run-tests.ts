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
import { reportRun } from "./run-report.ts";
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
const ours = leaks.filter((word) => !shared || /^(?:process|temporary) /.test(word));
const seconds = (performance.now() - started) / 1000;
const outcome = { results, leaks, ours, seconds, budgetSeconds: BUDGET_SECONDS };
process.exitCode = reportRun(outcome, say) ? 0 : 1;

async function leaksAfter(): Promise<readonly string[]> {
  const left = await leakedSince(before, mark);
  const tempFiles = readdirSync(scratch).map((name) => `temporary ${name}`);
  rmSync(scratch, { recursive: true, force: true });
  return [...left, ...tempFiles.filter((word) => !word.includes("node-compile-cache"))];
}

function say(line: string): void {
  console.log(line.replaceAll(`${ROOT}/`, ""));
}
