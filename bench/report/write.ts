/** Keeps a run: as JSON, and as the tables between the markers of bench/README.md. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { dirname } from "node:path";
import type { Measurements } from "../harness/rounds.ts";
import type { Results } from "./results.ts";
import { tables } from "./tables.ts";

const LATEST = new URL("../results/latest.json", import.meta.url).pathname;
const QUICK = new URL("../../.cache/bench/quick.json", import.meta.url).pathname;
const README = new URL("../README.md", import.meta.url).pathname;
const BEGIN = "<!-- bench: begin -->";
const END = "<!-- bench: end -->";

/** Writes the results file (a quick run's goes to the cache) and returns what it holds. */
export function saveResults(
  found: Measurements,
  run: { readonly rounds: number; readonly seconds: number; readonly quick: boolean },
): Results {
  const processors = cpus();
  const results: Results = {
    at: new Date().toISOString(),
    machine: {
      kernel: release(),
      cores: processors.length,
      processor: processors[0]?.model ?? "unknown",
      versions: versions(),
    },
    rounds: run.rounds,
    seconds: run.seconds,
    ...found,
  };
  const path = run.quick ? QUICK : LATEST;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(results, undefined, 1)}\n`);
  return results;
}

/** Replaces what is between the markers of bench/README.md. Throws when the markers are gone. */
export function writeReadme(results: Results): void {
  const text = readFileSync(README, "utf8");
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${README} has lost its markers`);
  const filled = `${text.slice(0, begin + BEGIN.length)}\n${tables(results)}\n${text.slice(end)}`;
  writeFileSync(README, filled);
}

function versions(): Readonly<Record<string, string>> {
  const first = (program: string, flag: string): string => {
    const done = spawnSync(program, [flag], { encoding: "utf8" });
    return /\d+\.\d+\.\d+/.exec(`${done.stdout}${done.stderr}`)?.[0] ?? "unknown";
  };
  return {
    node: process.versions.node,
    haproxy: first("haproxy", "-v"),
    nginx: first("nginx", "-v"),
    envoy: "1.40.0",
  };
}
