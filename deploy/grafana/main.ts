/** Writes deploy/grafana/json from the dashboards' values; with --check compares. Part of `npm run gen`. */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DASHBOARDS } from "./dashboards.ts";
import { renderDashboard } from "./render.ts";

const FOLDER = join(import.meta.dirname, "json");

const files = new Map(
  DASHBOARDS.map((spec) => [
    `${spec.uid}.json`,
    `${JSON.stringify(renderDashboard(spec), undefined, 2)}\n`,
  ]),
);
if (process.argv.includes("--check")) {
  const there = readdirSync(FOLDER);
  const stale = [
    ...there.filter((name) => !files.has(name)),
    ...[...files.keys()].filter(
      (name) =>
        !there.includes(name) || readFileSync(join(FOLDER, name), "utf8") !== files.get(name),
    ),
  ];
  if (stale.length > 0) {
    console.error(`deploy/grafana/json is stale (${stale.join(", ")}): npm run gen`);
    process.exitCode = 1;
  }
} else for (const [name, text] of files) writeFileSync(join(FOLDER, name), text);
