/** `sim up --prometheus`: seen from the machine, on its loopback alone, with all targets and rules; gone with `sim down`. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createServer } from "node:net";
import { after, before, test } from "node:test";
import { ALERTS, RECORDING_RULES } from "../../deploy/prometheus/rules.ts";
import { SimLab } from "../support/sim-lab.ts";
import { until } from "../support/until.ts";

const NAME = "sim-prometheus";
let lab: SimLab;
let url = "";

before(async () => {
  lab = await SimLab.start(NAME, "", "--nodes", "2", "--prometheus=0");
  const status = JSON.parse(await lab.sim("status", "-o", "json")) as { prometheus: string };
  url = status.prometheus;
});
after(() => lab[Symbol.asyncDispose]());

async function asked<T>(path: string): Promise<T> {
  const answer = await fetch(new URL(path, url));
  return ((await answer.json()) as { data: T }).data;
}

test("it scrapes both agents and control", async () => {
  const healthy = async (): Promise<readonly string[]> => {
    interface Target {
      readonly health: string;
      readonly labels: { readonly job: string };
    }
    const { activeTargets } = await asked<{ activeTargets: readonly Target[] }>("/api/v1/targets");
    return activeTargets
      .filter(({ health }) => health === "up")
      .map(({ labels }) => labels.job)
      .sort();
  };
  await until("all targets are up", async () => (await healthy()).length === 3, 20_000);
  assert.deepEqual(await healthy(), ["agents", "agents", "control"]);
});

test("it has the rules, and they are sound", async () => {
  interface Group {
    readonly rules: readonly { readonly name: string; readonly health: string }[];
  }
  const rules = async (): Promise<Group["rules"]> =>
    (await asked<{ groups: readonly Group[] }>("/api/v1/rules")).groups.flatMap(
      (group) => group.rules,
    );
  await until(
    "all rules were evaluated",
    async () => (await rules()).every(({ health }) => health !== "unknown"),
    20_000,
  );
  assert.deepEqual(
    (await rules()).map(({ name, health }) => `${name} ${health}`).sort(),
    [...RECORDING_RULES.map(({ record }) => record), ...ALERTS.map(({ alert }) => alert)]
      .map((name) => `${name} ok`)
      .sort(),
  );
});

test("the machine listens for it on its loopback alone", () => {
  const { port } = new URL(url);
  const listening = execFileSync("ss", ["-Hltn", `sport = :${port}`], { encoding: "utf8" });
  const addresses = listening
    .trim()
    .split("\n")
    .map((line) => line.split(/\s+/)[3]);
  assert.deepEqual(addresses, [`127.0.0.1:${port}`]);
});

test("a port that is taken is said, and nothing stays", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  assert.ok(typeof address === "object" && address !== null);
  const other = SimLab.of(`${NAME}-2`);
  const { code, stderr } = await other.run("up", "--detach", `--prometheus=${address.port}`);
  taken.close();
  assert.equal(code, 1);
  assert.match(stderr, /can't have port \d+ of 127\.0\.0\.1: take another with --prometheus PORT/);
  assert.match((await other.run("down")).stderr, /nothing was running/);
});

test("without a mesh there is nothing to scrape", async () => {
  const { code, stderr } = await SimLab.of(`${NAME}-3`).run("up", "--no-mesh", "--prometheus");
  assert.equal(code, 1);
  assert.match(stderr, /--prometheus scrapes the mesh: it can't go with --no-mesh/);
});

test("down ends it", async () => {
  await lab.sim("down");
  await assert.rejects(fetch(url), /fetch failed/);
});
