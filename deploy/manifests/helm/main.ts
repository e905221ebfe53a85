/** Writes deploy/helm; with --check compares instead, and fails when a file differs. */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { OPTION_TABLE } from "../option-table.ts";
import { chartFiles } from "./chart.ts";

const FOLDER = join(import.meta.dirname, "../../helm");

const tag = OPTION_TABLE.find(({ path }) => path === "image.tag")?.schema.default;
const files = Object.entries(chartFiles(String(tag)));
if (process.argv.includes("--check")) {
  const stale = files.filter(([name, text]) => textOf(join(FOLDER, name)) !== text);
  for (const [name] of stale) console.error(`deploy/helm/${name} is stale: npm run gen`);
  process.exitCode = stale.length === 0 ? 0 : 1;
} else
  for (const [name, text] of files) {
    mkdirSync(dirname(join(FOLDER, name)), { recursive: true });
    writeFileSync(join(FOLDER, name), text);
  }

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}
