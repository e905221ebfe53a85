/**
 * `bin/run bench/scale/agent/main.ts [--nodes N] [--pods N] [--services N] [--rate N] [--requests N] [--rounds N]
 * [--seconds S] [--name SIMULATION] [--figures FILE]`: one agent with the snapshot of a large cluster. First in this process: what one
 * change costs its threads, the writing of the last good file included, with a stand-in for the kernel (apply.ts). Then in
 * the simulator, with the real one: its memory, and the latency of requests through it while nothing changes and while
 * endpoints change, in interleaved rounds. Prints figures and budgets; sends load to the simulator's pods only.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { simPaths } from "../../../deploy/sim/paths.ts";
import { ensurePackages } from "../../../test/tools/debian-packages.ts";
import { interruption, until } from "../../harness/process.ts";
import { spread } from "../../harness/statistics.ts";
import { residentBytes } from "../../harness/usage.ts";
import { type SimulatorStage, simulatorStage } from "../../stage/simulator.ts";
import { PATHS } from "../../stage/stage.ts";
import { serviceAndPods, slice } from "../manifests.ts";
import { type Figure, tell } from "../report.ts";
import { sizeOf } from "../world.ts";
import { applyFigures } from "./apply.ts";
import { Changes, put } from "./changes.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    pods: { type: "string", default: "10000" },
    services: { type: "string" },
    rate: { type: "string", default: "50" },
    requests: { type: "string", default: "2000" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    name: { type: "string", default: "scale" },
    figures: { type: "string" },
  },
});
const size = sizeOf(values);
const OPEN_LOOP = new URL("../../load/open-loop/main.ts", import.meta.url).pathname;
const CONNECTIONS = 64;
const WARM_UP_S = 1;
const SETTLE_MS = 2000;
const WORLD_MS = 60_000;
/** From the last rewritten slice of a round to the agent's version. */
const ARRIVAL_MS = 2000;
/**
 * Versions per rewritten slice, at least. Control publishes what comes in one moment as one version, so on a busy machine
 * there are fewer; with fewer than this it was not this rate of changes that was measured.
 */
const ARRIVED = 0.5;
/** No load: a change that can be seen at all is more than this share of the quiet rounds' p99. */
const VISIBLE = 1.5;

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));

const say = (line: string): void => console.error(line);
ensurePackages("bench", say);
say("one change in this process");
const applied = await applyFigures(size, Number(values.rate));
const measured = await simulated();
const { nodes, services, podsPerService } = size;
const head = `the world of ${nodes} nodes, ${services * podsPerService} pods, ${services} services; ${values.rate} changes/s, ${values.requests} requests/s in ${values.rounds} rounds of ${values.seconds} s`;
tell({ head, figures: [...applied, ...measured] }, values.figures);

async function simulated(): Promise<readonly Figure[]> {
  say("the simulator starts");
  await using simulator = await simulatorStage(values.name);
  await latency(simulator);
  const small = await memory(simulator);
  const folder = simPaths(values.name).objects;
  say("the world is written where control looks");
  for (let service = 0; service < size.services; service++) {
    put(folder, `scale-pods-${service}.json`, list(serviceAndPods(service, size)));
    put(folder, `scale-slice-${service}.json`, slice(service, size, -1));
  }
  await until(
    () => "world at the agent",
    WORLD_MS,
    async () => (await memory(simulator)) > small + 5,
  );
  await sleep(SETTLE_MS);
  await latency(simulator);
  const large = await memory(simulator);
  const quiet: Latency[] = [];
  const busy: Latency[] = [];
  const changes = new Changes(folder, size);
  for (let round = 0; round < Number(values.rounds); round++) {
    quiet.push(await latency(simulator));
    const from = changes.written;
    const version = await simulator.snapshotVersion();
    busy.push(await changes.during(Number(values.rate), () => latency(simulator)));
    const written = changes.written - from;
    const risen = await arrived(simulator, version, written);
    say(
      `round ${round + 1}: p99 quiet ${quiet.at(-1)?.p99} µs, changing ${busy.at(-1)?.p99} µs; ${written} slices rewritten, ${risen} versions at the agent`,
    );
  }
  const after = await memory(simulator);
  const median = (of: readonly Latency[], key: keyof Latency): number =>
    spread(of.map((one) => one[key])).median;
  const ratio = (key: keyof Latency): number =>
    spread(busy.map((one, round) => one[key] / (quiet[round]?.[key] ?? Number.NaN))).median;
  return [
    { name: "agent's memory, three pods in the world", unit: "MB", measured: small },
    { name: "agent's memory, the large world", unit: "MB", measured: large },
    { name: "agent's memory, after the changes", unit: "MB", measured: after, limit: 200 },
    { name: "p50 of requests, nothing changes", unit: "µs", measured: median(quiet, "p50") },
    { name: "p99 of requests, nothing changes", unit: "µs", measured: median(quiet, "p99") },
    { name: "p99 of requests, endpoints change", unit: "µs", measured: median(busy, "p99") },
    { name: "p99, changing ÷ quiet", unit: "×", measured: ratio("p99"), limit: VISIBLE },
    { name: "p99.9, changing ÷ quiet", unit: "×", measured: ratio("p999") },
  ];
}

interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

async function latency({ meshed }: SimulatorStage): Promise<Latency> {
  const [address = "", port = ""] = meshed.direct.split(":");
  const load = [address, port, PATHS.small, values.requests, String(CONNECTIONS)];
  const times = [values.seconds, String(WARM_UP_S)];
  const argv = [process.execPath, OPEN_LOOP, ...load, ...times];
  const done = await meshed.run(argv, Number(values.seconds) * 1000 + 30_000);
  if (done.code !== 0) throw new Error(`the open loop failed: ${done.stderr.slice(-2000)}`);
  const { errors = 0, p50 = 0, p99 = 0, p999 = 0 } = JSON.parse(done.stdout);
  if (errors > 0) throw new Error(`${errors} requests failed`);
  return { p50, p99, p999 };
}

async function memory(simulator: SimulatorStage): Promise<number> {
  return residentBytes(await simulator.agentPids()) / 1e6;
}

/** By how much the agent's version has risen; rejects when the rewritten slices did not get there. */
async function arrived(
  simulator: SimulatorStage,
  version: number,
  written: number,
): Promise<number> {
  let risen = 0;
  await until(
    () => `${written} rewritten slices at the agent (its version rose by ${risen})`,
    ARRIVAL_MS,
    async () => {
      risen = (await simulator.snapshotVersion()) - version;
      return risen >= written * ARRIVED;
    },
  );
  return risen;
}

function list(items: readonly object[]): object {
  return { apiVersion: "v1", kind: "List", items };
}
