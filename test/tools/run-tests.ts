/**
 * `npm test [-- GROUP|FILE|FOLDER…]`: installs what the tests run, runs them side by side, each file in a machine of
 * its own, and fails on any failure, any skip that is not announced, and anything that a file left behind there.
 * SIGINT, SIGTERM and SIGHUP end the files that run and remove their machines.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listFiles, ROOT } from "../support/source-files.ts";
import { ensurePackages } from "./debian-packages.ts";
import { runFiles } from "./group-run.ts";
import { reportRun } from "./run-report.ts";
import { choose, groupOf, TEST_GROUPS } from "./test-groups.ts";

const BUDGET_SECONDS = 420;
/** See test-groups.ts. */
const CONCURRENCY = 4;

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => stop.abort(`ended by ${name}`));

const started = performance.now();
const files = choose(
  (await listFiles()).filter((path) => path.endsWith(".test.ts")),
  process.argv.slice(2),
);
ensurePackages("test", say);

const scratch = mkdtempSync(join(tmpdir(), "nodemesh-test-"));
const grouped = TEST_GROUPS.flatMap((group) =>
  files
    .filter((file) => groupOf(file) === group)
    .map((file) => ({ file: join(ROOT, file), group })),
);
say(`${grouped.length} files, up to ${CONCURRENCY} at a time…`);
const { signal } = stop;
const results = await runFiles(grouped, { concurrency: CONCURRENCY, scratch, say, signal });
rmSync(scratch, { recursive: true, force: true });
const seconds = (performance.now() - started) / 1000;
const good = reportRun({ results, leaks: [], seconds, budgetSeconds: BUDGET_SECONDS }, say);
process.exitCode = good && !signal.aborted ? 0 : 1;

function say(line: string): void {
  console.log(line.replaceAll(`${ROOT}/`, ""));
}
