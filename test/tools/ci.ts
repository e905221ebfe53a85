/**
 * What `.ci/run` does once Node and the npm dependencies are there: packages and programs that a machine gets once,
 * static checks, rebuilt objects compared byte for byte, all tests, those in real Kubernetes clusters, the loader's corpus, the demo. Stops at the first step that fails or is missing.
 * `--all` goes on after a failure (it still fails at the end).
 */
import { printSteps, runStep, type Step, type StepResult } from "./steps.ts";

/** What a machine does once; its time is told apart. */
const COLD: Step = script("what a machine gets once (cold builds)", "test/tools/ensure-cold.ts");
/** All but COLD, on two cores, in seconds. */
const BUDGET_SECONDS = 1_500;

const STEPS: readonly Step[] = [
  COLD,
  { name: "static checks", command: ["bin/run", "test/tools/check.ts"] },
  script("BPF objects, rebuilt and compared", "bpf/build.ts", "--check"),
  script("the loader's WASM, rebuilt and compared", "bpf/loader/build.ts", "--check"),
  script("the simulator's BPF objects, rebuilt and compared", "deploy/sim/bpf/build.ts", "--check"),
  script("tests (npm test)", "test/tools/run-tests.ts"),
  script("tests in real clusters (npm run test:cluster)", "test/tools/run-cluster-tests.ts"),
  script("the loader's corpus (npm run test:corpus)", "bpf/loader/test/corpus/main.ts"),
  script("the demo (npm run demo)", "deploy/demo/main.ts"),
];

function script(name: string, target: string, ...args: readonly string[]): Step {
  return { name, target, command: ["bin/run", target, ...args] };
}

/** Runs the steps in order; `goOn` runs those after a failure too. */
async function runAll(goOn: boolean): Promise<readonly StepResult[]> {
  const results: StepResult[] = [];
  for (const step of STEPS) {
    const result = await runStep(step, "live");
    results.push(result);
    if (result.verdict !== "ok" && !goOn) break;
  }
  return results;
}

const results = await runAll(process.argv.includes("--all"));
printSteps(results);
const cold = results.find(({ name }) => name === COLD.name)?.seconds ?? 0;
const warm = results.reduce((sum, { seconds }) => sum + seconds, 0) - cold;
console.log(`cold builds took ${cold.toFixed(0)}s, all else ${warm.toFixed(0)}s`);
if (warm > BUDGET_SECONDS) console.log(`slower than the budget of ${BUDGET_SECONDS}s`);
const bad = results.filter(({ verdict }) => verdict !== "ok");
for (const { name, verdict } of bad) console.log(`CI: step "${name}" ${verdict}`);
console.log(
  `${results.length - bad.length} passed, ${STEPS.length - results.length + bad.length} failed`,
);
process.exitCode = bad.length === 0 ? 0 : 1;
