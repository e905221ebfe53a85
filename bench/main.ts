/**
 * `npm run bench [-- --quick] [--rounds N] [--seconds S] [--only TEXT] [--stage namespaces|sim] [--name SIMULATION]`:
 * runs all contestants in network namespaces and prints a table; a full run also writes
 * bench/results/latest.json and the tables of bench/README.md. With `--against COMMIT` the contestants are that commit's
 * agent and this checkout's, and the table has their ratios. This folder may import anything of the
 * checkout; nothing imports it. It must never send load to anything but its own namespaces.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensurePackages } from "../test/tools/debian-packages.ts";
import { LOADS } from "./against/loads.ts";
import { runAgainst } from "./against/run.ts";
import { interruption } from "./harness/process.ts";
import { type Contestant, runRounds } from "./harness/rounds.ts";
import { WORKLOADS } from "./harness/workloads.ts";
import { DIRECT } from "./peers/direct.ts";
import { ENVOY } from "./peers/envoy.ts";
import { HAPROXY } from "./peers/haproxy.ts";
import { NGINX } from "./peers/nginx.ts";
import { nodemeshPeer } from "./peers/nodemesh.ts";
import type { Peer } from "./peers/peer.ts";
import { tables, verdict } from "./report/tables.ts";
import { saveResults, writeReadme } from "./report/write.ts";
import { namespaceStage } from "./stage/namespaces.ts";
import { simulatorStage } from "./stage/simulator.ts";
import type { Stage } from "./stage/stage.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    seconds: { type: "string" },
    only: { type: "string", default: "" },
    stage: { type: "string", default: "sim" },
    name: { type: "string", default: "bench" },
    against: { type: "string" },
  },
});
const loads = values.against === undefined ? WORKLOADS : LOADS;
const workloads = loads.filter(({ name }) => name.includes(values.only));
if (workloads.length === 0)
  throw new Error(`--only is part of one of: ${loads.map(({ name }) => name).join("; ")}`);
const rounds = Number(values.rounds ?? roundsOf(values));
const seconds = Number(values.seconds ?? (values.quick ? 1 : 2));
const say = (line: string): void => console.error(line);

ensurePackages("bench", say);
const folder = mkdtempSync(join(tmpdir(), "nodemesh-bench-run-"));
await using cleaner = new AsyncDisposableStack();
cleaner.defer(() => rmSync(folder, { recursive: true, force: true }));

// Everything under way fails at once; then the stack takes down what there is, once and in order.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));

if (values.against === undefined) await comparePeers();
else {
  const { only, name } = values;
  const options = { commit: values.against, rounds, seconds, only, name, folder, say };
  const { table, good } = await runAgainst(options);
  console.log(table);
  process.exitCode = good ? 0 : 1;
}

/** Enough rounds that a range says something; two agents take less than half of the time of all contestants. */
function roundsOf({ quick, against }: { quick: boolean; against?: string | undefined }): number {
  if (quick) return against === undefined ? 1 : 2;
  return against === undefined ? 5 : 9;
}

async function comparePeers(): Promise<void> {
  const contestants: Contestant[] = [];
  const stage = await makeStage(contestants);
  for (const peer of [DIRECT, HAPROXY, NGINX, ENVOY] satisfies Peer[]) {
    const own = join(folder, peer.name);
    mkdirSync(own);
    contestants.push({ name: peer.name, peer: cleaner.use(await peer.start(stage, own)) });
  }
  const found = await runRounds(contestants, {
    rounds,
    seconds,
    workloads,
    yardstick: HAPROXY.name,
    say,
  });
  const quick = values.quick || values.only !== "";
  const results = saveResults(found, { rounds, seconds, quick });
  console.log(tables(results));
  say(verdict(results));
  if (!quick) writeReadme(results);
  process.exitCode = found.failures.length === 0 ? 0 : 1;
}

/** Makes the stage; that of the simulator brings nodemesh as a contestant. */
async function makeStage(contestants: Contestant[]): Promise<Stage> {
  if (values.stage === "namespaces") return cleaner.use(await namespaceStage());
  if (values.stage !== "sim") throw new Error("--stage is namespaces or sim");
  const simulator = cleaner.use(await simulatorStage(values.name));
  contestants.push({ name: "nodemesh", peer: nodemeshPeer(simulator) });
  return simulator.plain;
}
