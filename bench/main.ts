/**
 * `npm run bench [-- --quick] [--rounds N] [--seconds S] [--only TEXT] [--stage namespaces|sim] [--name SIMULATION]`:
 * runs all contestants in network namespaces and prints a table; a full run also writes
 * bench/results/latest.json and the tables of bench/README.md. This folder may import anything of the
 * checkout; nothing imports it. It must never send load to anything but its own namespaces.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensurePackages } from "../test/tools/debian-packages.ts";
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
  },
});
const workloads = WORKLOADS.filter(({ name }) => name.includes(values.only));
if (workloads.length === 0)
  throw new Error(`--only is part of one of: ${WORKLOADS.map(({ name }) => name).join("; ")}`);
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
const seconds = Number(values.seconds ?? (values.quick ? 1 : 2));
const say = (line: string): void => console.error(line);

ensurePackages("bench", say);
const folder = mkdtempSync(join(tmpdir(), "nodemesh-bench-run-"));
await using cleaner = new AsyncDisposableStack();
cleaner.defer(() => rmSync(folder, { recursive: true, force: true }));

// Everything under way fails at once; then the stack takes down what there is, once and in order.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));

const contestants: Contestant[] = [];
const stage = await makeStage();
for (const peer of [DIRECT, HAPROXY, NGINX, ENVOY] satisfies Peer[]) {
  const own = join(folder, peer.name);
  mkdirSync(own);
  contestants.push({ name: peer.name, peer: cleaner.use(await peer.start(stage, own)) });
}
const found = await runRounds(contestants, { rounds, seconds, workloads, say });
const results = saveResults(found, { rounds, seconds, quick: values.quick || values.only !== "" });
console.log(tables(results));
say(verdict(results));
if (!values.quick && values.only === "") writeReadme(results);
process.exitCode = found.failures.length === 0 ? 0 : 1;

/** Makes the stage; that of the simulator brings nodemesh as a contestant. */
async function makeStage(): Promise<Stage> {
  if (values.stage === "namespaces") return cleaner.use(await namespaceStage());
  if (values.stage !== "sim") throw new Error("--stage is namespaces or sim");
  const simulator = cleaner.use(await simulatorStage(values.name));
  contestants.push({ name: "nodemesh", peer: nodemeshPeer(simulator) });
  return simulator.plain;
}
