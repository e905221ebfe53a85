/**
 * test/corpus judges the loader on objects that nobody here wrote: the kernel's own BPF self-tests, compiled with
 * clang-19 and loaded with libbpf (reference.c) and with ours, compared instruction by instruction; and 100,000
 * mutated objects that must neither trap, hang nor leak. Everything is fetched at run time, nothing committed.
 */

import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureBpffs, unmountBpffs } from "../../src/sys/pins.ts";
import { type Comparison, compareObject, noComparison } from "./compare.ts";
import { compileSelfTests } from "./compile.ts";
import { type FuzzResult, fuzz } from "./fuzz.ts";
import { judge } from "./ours.ts";
import { openWorkshop, type Workshop } from "./tools.ts";
import { type ObjectVerdict, readVerdicts } from "./verdict.ts";

/** Fewer programs than this and the test has seen nothing: it fails. */
const FEWEST_PROGRAMS = 2000;
const LEAST_AGREEMENT = 0.95;
const MUTATIONS = 100_000;
const SEED = 20_260_101;
/** A mutated object may take this long, and no longer. */
const HANG_MS = 500;
/** Small seeds make many mutations; these sizes are most of the self-tests. */
const LARGEST_SEED_BYTES = 24 * 1024;
const OBJECTS_A_CALL = 16;

const run = promisify(execFile);

const failures = await main();
for (const failure of failures) console.error(`FAILED: ${failure}`);
process.exit(failures.length === 0 ? 0 : 1);

async function main(): Promise<string[]> {
  const started = performance.now();
  const seconds = () => `${((performance.now() - started) / 1000).toFixed(0)} s`;
  const workshop = await openWorkshop(
    process.env["NODEMESH_CACHE"] ?? join(tmpdir(), "nodemesh-cache"),
  );
  console.log(`corpus: tools ready (${seconds()}); compiling the kernel's BPF self-tests…`);
  const objects = await compileSelfTests(workshop);
  console.log(
    `corpus: ${objects.length} objects compiled (${seconds()}); loading them with libbpf and with ours…`,
  );
  const sums = await compareAll(workshop, objects);
  report(sums, objects.length, seconds());
  const fuzzed = fuzzAll(objects);
  console.log(`corpus: done (${seconds()})`);
  return [...judgeComparison(sums), ...judgeFuzz(fuzzed)];
}

async function compareAll(workshop: Workshop, objects: readonly string[]): Promise<Comparison> {
  const sums = noComparison();
  const pins = mkdtempSync(join(tmpdir(), "loader-corpus-pins-"));
  try {
    for (let i = 0; i < objects.length; i += OBJECTS_A_CALL) {
      const some = objects.slice(i, i + OBJECTS_A_CALL);
      for (const reference of await askLibbpf(workshop, some)) {
        compareObject(sums, reference, judgeAlone(reference.path, pins));
      }
    }
  } finally {
    rmSync(pins, { recursive: true, force: true });
  }
  return sums;
}

async function askLibbpf(workshop: Workshop, paths: readonly string[]): Promise<ObjectVerdict[]> {
  const options = { maxBuffer: 1 << 30, timeout: 240_000 };
  const { stdout } = await run(workshop.reference, [...paths], options);
  return readVerdicts(stdout);
}

/** Each object gets a bpffs of its own, so that maps of one name don't meet. */
function judgeAlone(path: string, pins: string): ObjectVerdict {
  mkdirSync(pins, { recursive: true });
  ensureBpffs(pins);
  try {
    return judge(path, pins);
  } finally {
    unmountBpffs(pins);
  }
}

function percent(part: number, whole: number): string {
  return `${part} (${((100 * part) / Math.max(whole, 1)).toFixed(2)} %)`;
}

function report(sums: Comparison, objects: number, time: string): void {
  const { compared, identical, sameVerdict, agreeing, differences } = sums;
  for (const { object, program, reason } of differences)
    console.log(`  differs: ${object} ${program}: ${reason}`);
  console.log(`corpus: objects compiled       ${objects}`);
  console.log(`corpus: programs compared      ${compared} (all that libbpf links)`);
  console.log(`corpus: identical instructions ${percent(identical, compared)}`);
  console.log(`corpus: same verdict           ${percent(sameVerdict, compared)}`);
  console.log(`corpus: both                   ${percent(agreeing, compared)} (${time})`);
}

function judgeComparison(sums: Comparison): string[] {
  const wrong: string[] = [];
  if (sums.compared < FEWEST_PROGRAMS) {
    wrong.push(
      `only ${sums.compared} programs were compared, at least ${FEWEST_PROGRAMS} are expected`,
    );
  }
  if (sums.agreeing < LEAST_AGREEMENT * sums.compared) {
    wrong.push(`less than ${LEAST_AGREEMENT * 100} % of the programs agree with libbpf`);
  }
  return wrong;
}

function fuzzAll(objects: readonly string[]): FuzzResult {
  const small = objects.filter((path) => statSync(path).size <= LARGEST_SEED_BYTES);
  // Evenly over the alphabet, so that all kinds of self-tests are among them.
  const step = Math.max(1, Math.floor(small.length / 100));
  const seeds = small.filter((_, i) => i % step === 0).map((path) => readFileSync(path));
  console.log(`corpus: mutating ${seeds.length} objects ${MUTATIONS} times, seed ${SEED}…`);
  const result = fuzz({ seed: SEED, count: MUTATIONS, objects: seeds, loadEvery: 50 });
  const { parsed, refused, loaded, notLoaded, faults } = result;
  console.log(
    `corpus: mutations parsed ${parsed}, refused ${refused}; of a sample loaded ${loaded}, not loaded ${notLoaded}`,
  );
  console.log(
    `corpus: traps and other faults ${faults.length}, slowest ${result.slowestMs.toFixed(1)} ms, leaked descriptors ${result.leakedDescriptors}`,
  );
  for (const fault of faults.slice(0, 20)) console.log(`  fault: ${fault}`);
  return result;
}

function judgeFuzz(result: FuzzResult): string[] {
  const wrong: string[] = [];
  if (result.faults.length > 0) wrong.push(`${result.faults.length} mutations ended in a fault`);
  if (result.slowestMs > HANG_MS) wrong.push(`a mutation took ${result.slowestMs.toFixed(0)} ms`);
  if (result.leakedDescriptors !== 0) wrong.push(`${result.leakedDescriptors} descriptors leaked`);
  // Hardly any mutation that still parses means that all of them fell at the first check: nothing was tried.
  if (result.mutations < MUTATIONS || result.parsed < MUTATIONS / 10)
    wrong.push(`only ${result.parsed} of ${result.mutations} mutations got past the first checks`);
  return wrong;
}
