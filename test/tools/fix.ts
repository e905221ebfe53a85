/** `npm run fix`: formats, applies the safe lint fixes and regenerates generated files. */
import { runStep, type Step } from "./steps.ts";

const STEPS: readonly Step[] = [
  { name: "generated files", command: ["bin/run", "test/tools/gen.ts"] },
  { name: "lint and format (biome)", command: ["biome", "check", "--write", "--colors=off", "."] },
];

for (const step of STEPS) {
  const { verdict } = await runStep(step, "on-failure");
  if (verdict !== "ok") process.exitCode = 1;
}
