/**
 * `bin/run bench/scale/agent/main.ts [--nodes N] [--pods N] [--services N] [--rate N] [--requests N] [--rounds N]
 * [--seconds S] [--name SIMULATION] [--figures FILE]`: one agent with the snapshot of a large cluster. First in this process: what one
 * change costs its threads, the writing of the last good file included, with a stand-in for the kernel (apply.ts). Then in
 * the simulator, with the real one: its memory, and the latency of requests through it while nothing changes, while control
 * works as hard for changes that say nothing to agents, and while endpoints change, in interleaved rounds. Prints figures
 * and budgets; sends load to the simulator's pods only.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { simPaths } from "../../../deploy/sim/paths.ts";
import { ensurePackages } from "../../../test/tools/debian-packages.ts";
import { interruption, until } from "../../harness/process.ts";
import { spread } from "../../harness/statistics.ts";
import { cpuSeconds, residentBytes } from "../../harness/usage.ts";
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
    rounds: { type: "string", default: "7" },
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
/**
 * What the agent does for changes can be seen when p99 is more than this many times that of rounds in which it does
 * nothing for them. Control works in both: in a cluster it is on another node, here it takes from the same cores.
 */
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
  const changes = new Changes(folder, size);
  const rounds: Round[] = [];
  for (let number = 1; number <= Number(values.rounds); number++) {
    const round = await measuredRound(simulator, changes);
    const { quiet, unheard, heard, written, risen } = round;
    say(
      `round ${number}: p99 quiet ${quiet.p99} µs, unheard changes ${unheard.p99} µs, heard ${heard.p99} µs; ${written} endpoints changed, ${risen} versions at the agent`,
    );
    rounds.push(round);
  }
  const after = await memory(simulator);
  return [
    { name: "agent's memory, three pods in the world", unit: "MB", measured: small },
    { name: "agent's memory, the large world", unit: "MB", measured: large },
    { name: "agent's memory, after the changes", unit: "MB", measured: after, limit: 200 },
    ...latencies(rounds),
  ];
}

function latencies(rounds: readonly Round[]): readonly Figure[] {
  const median = (of: (round: Round) => number): number => spread(rounds.map(of)).median;
  const share = (unit: keyof Quantiles): number =>
    median(({ heard, unheard }) => heard[unit] / unheard[unit]);
  const all = (unit: keyof Quantiles): number =>
    median(({ heard, quiet }) => heard[unit] / quiet[unit]);
  const [us, cores] = [{ unit: "µs" }, { unit: "cores" }];
  return [
    { name: "p50 of requests, nothing changes", ...us, measured: median((of) => of.quiet.p50) },
    { name: "p99 of requests, nothing changes", ...us, measured: median((of) => of.quiet.p99) },
    { name: "p99 of requests, unheard changes", ...us, measured: median((of) => of.unheard.p99) },
    { name: "p99 of requests, endpoints change", ...us, measured: median((of) => of.heard.p99) },
    { name: "control's CPU, unheard changes", ...cores, measured: median((of) => of.unheard.cpu) },
    { name: "control's CPU, endpoints change", ...cores, measured: median((of) => of.heard.cpu) },
    { name: "p99, changing ÷ unheard", unit: "×", measured: share("p99"), limit: VISIBLE },
    { name: "p99.9, changing ÷ unheard", unit: "×", measured: share("p999") },
    { name: "p99, changing ÷ quiet: control's part too", unit: "×", measured: all("p99") },
  ];
}

interface Quantiles {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

interface Latency extends Quantiles {
  /** Control's cores meanwhile. */
  readonly cpu: number;
}

interface Round {
  readonly quiet: Latency;
  /** Control is busy, the agent hears nothing. */
  readonly unheard: Latency;
  readonly heard: Latency;
  /** Slices of the last part. */
  readonly written: number;
  /** Versions that they made at the agent. */
  readonly risen: number;
}

async function measuredRound(simulator: SimulatorStage, changes: Changes): Promise<Round> {
  const rate = Number(values.rate);
  const quiet = await latency(simulator);
  const before = await simulator.snapshotVersion();
  const unheard = await changes.during(rate, "remark", () => latency(simulator));
  await sleep(SETTLE_MS);
  const version = await simulator.snapshotVersion();
  if (version !== before) throw new Error("the agent heard of changes that say nothing to it");
  const from = changes.written;
  const heard = await changes.during(rate, "endpoint", () => latency(simulator));
  const written = changes.written - from;
  return { quiet, unheard, heard, written, risen: await arrived(simulator, version, written) };
}

async function latency(simulator: SimulatorStage): Promise<Latency> {
  const [control, from] = [await simulator.controlPids(), performance.now()];
  const spent = cpuSeconds(control);
  const quantiles = await openLoop(simulator);
  const cpu = ((cpuSeconds(control) - spent) / (performance.now() - from)) * 1000;
  return { ...quantiles, cpu };
}

async function openLoop({ meshed }: SimulatorStage): Promise<Quantiles> {
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
