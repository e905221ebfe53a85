/** `npm run check`: everything that reads the sources without running the product. All steps run, also after a failure. */
import { printSteps, runStep, type Step, type StepResult } from "./steps.ts";

const STEPS: readonly Step[] = [
  { name: "types (tsc)", command: ["tsc", "-p", "."] },
  {
    name: "lint and format (biome)",
    command: ["biome", "ci", "--colors=off", "--diagnostic-level=warn", "."],
  },
  { name: "dead code (knip)", command: ["knip", "--no-progress"] },
  {
    name: "generated files",
    command: ["bin/run", "test/tools/gen.ts", "--check"],
  },
  {
    name: "architecture, style, hygiene",
    command: ["bin/run", "--test", "--test-reporter=dot", "test/*.test.ts"],
  },
];

const results: StepResult[] = [];
for (const step of STEPS) results.push(await runStep(step, "on-failure"));
printSteps(results);
process.exitCode = results.every(({ verdict }) => verdict === "ok") ? 0 : 1;
