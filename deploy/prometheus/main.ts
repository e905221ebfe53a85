/** Writes the files of rules; with --check compares. Part of `npm run gen`. */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ruleFiles } from "./render.ts";

for (const [name, text] of Object.entries(ruleFiles())) {
  const file = join(import.meta.dirname, name);
  if (!process.argv.includes("--check")) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, "utf8") !== text) {
    console.error(`deploy/prometheus/${name} is stale: npm run gen`);
    process.exitCode = 1;
  }
}
