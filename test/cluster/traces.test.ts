import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { hierarchies, makeEverywhere, removeEverywhere } from "./cgroups.ts";
import { MASKED_SETTINGS } from "./node/files.ts";
import { clusterPaths } from "./spec.ts";
import { clusterTraces, RUN_MARK } from "./traces.ts";

const MINE = clusterPaths(`mine-${process.pid}`);
const OTHER = clusterPaths(`other-${process.pid}`);

test("a cluster's cgroups of every hierarchy and its folder are seen, another cluster's are not", async () => {
  const before = clusterTraces(MINE, "nobody");
  const seen = (): readonly string[] =>
    [...clusterTraces(MINE, "nobody")].filter((word) => !before.has(word));
  const paths = [MINE, OTHER];
  try {
    makeEverywhere(OTHER.cgroup);
    mkdirSync(OTHER.root, { recursive: true });
    assert.deepEqual(seen(), []);
    makeEverywhere(MINE.cgroup);
    mkdirSync(MINE.root);
    const cgroups = hierarchies().map(({ point }) => `cgroup ${join(point, MINE.cgroup)}`);
    assert.deepEqual(seen(), [...cgroups, `folder ${MINE.root}`]);
  } finally {
    for (const { cgroup } of paths) await removeEverywhere(cgroup);
    for (const { root } of paths) rmSync(root, { recursive: true, force: true });
    removeIfEmpty(join(MINE.root, ".."));
  }
});

test("a process with the run's mark is seen, one with another mark is not", async () => {
  const begin = (mark: string) => spawn("sleep", ["1000"], { env: { [RUN_MARK]: mark } });
  const [mine, other] = [begin("mine"), begin("other")];
  try {
    await Promise.all([mine, other].map((child) => once(child, "spawn")));
    const processes = [...clusterTraces(MINE, "mine")].filter((word) => word.startsWith("process"));
    assert.deepEqual(processes, [`process ${mine.pid} (sleep)`]);
  } finally {
    const ended = [mine, other].map((child) => once(child, "exit"));
    for (const child of [mine, other]) child.kill("SIGKILL");
    await Promise.all(ended);
  }
});

test("the settings that a cluster's nodes mask are listed with their values", () => {
  const traces = clusterTraces(MINE, "nobody");
  for (const setting of MASKED_SETTINGS) {
    const value = readFileSync(`/proc/sys/${setting}`, "utf8").trim();
    assert.ok(traces.has(`setting ${setting} = ${value}`), setting);
  }
});

/** The folder of all clusters, unless another cluster lives. */
function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
  }
}
