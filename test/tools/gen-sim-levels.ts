/**
 * Writes control/cli/sim-levels.gen.ts, what `nodemesh completion` offers after `nodemesh sim`, from the simulator's
 * own commands; with --check compares. (Nothing in control may depend on the simulator.)
 */

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { levelsOf } from "../../control/cli/completion-levels.ts";
import type { Terminal } from "../../deploy/sim/commands/context.ts";
import { simProgram } from "../../deploy/sim/program.ts";
import { ROOT } from "../support/source-files.ts";

const NAME = "control/cli/sim-levels.gen.ts";
const FILE = join(ROOT, NAME);

/** Nothing is run. */
const SILENT: Terminal = {
  write: () => undefined,
  out: () => undefined,
  err: () => undefined,
  setExitCode: () => undefined,
  interactive: false,
};

const levels = JSON.stringify(levelsOf(simProgram(SILENT), "sim"), undefined, 2);
const text = `// Generated from deploy/sim/program.ts by \`npm run gen\`.
import type { Level } from "./completion-levels.ts";

/** What can follow \`nodemesh sim\`. */
export const SIM_LEVELS: readonly Level[] = ${levels};
`;
if (!process.argv.includes("--check")) writeFileSync(FILE, text);
else if (readFileSync(FILE, "utf8") !== text) {
  console.error(`${NAME} is stale: npm run gen`);
  process.exitCode = 1;
}
