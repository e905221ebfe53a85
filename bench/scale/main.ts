/**
 * `bin/run bench/scale/main.ts [--nodes N] [--services N] [--pods N] [--rate N] [--seconds S]`: a cluster on paper
 * (real API server and etcd, nodes and pods by kwok), one real control replica, and as many agents' streams as
 * there are nodes, while endpoints change. Prints figures and budgets. Everything runs in a network namespace of its own,
 * on loopback. May import anything of the checkout; nothing imports it.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBinaries } from "../../test/cluster/build/binaries.ts";
import { ensurePackages } from "../../test/tools/debian-packages.ts";
import { interruption, type Service } from "../harness/process.ts";
import { cpuSeconds, residentBytes } from "../harness/usage.ts";
import { Api } from "./api.ts";
import { churn } from "./churn.ts";
import { crowdOrder, startControl } from "./control.ts";
import { startControlPlane } from "./control-plane.ts";
import { Crowd } from "./crowd.ts";
import { lagsOf, quantile } from "./lag.ts";
import { monotonicMs } from "./messages.ts";
import { type Figure, figureTable, isKept } from "./report.ts";
import { populate } from "./world.ts";

const { values } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    services: { type: "string", default: "500" },
    pods: { type: "string", default: "20" },
    rate: { type: "string", default: "50" },
    seconds: { type: "string", default: "60" },
    inside: { type: "boolean", default: false },
  },
});
const size = {
  nodes: Number(values.nodes),
  services: Number(values.services),
  podsPerService: Number(values.pods),
};
const load = { perSecond: Number(values.rate), seconds: Number(values.seconds) };
const begun = performance.now();
const say = (line: string): void =>
  console.error(`${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${line}`);

for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.on(name, () => interruption.abort(new Error(`ended by ${name}`)));

if (values.inside) await measure();
else process.exitCode = await outside();

/** Gets what is needed from outside, then runs this file again where there is only loopback. */
async function outside(): Promise<number> {
  ensurePackages("bench", say);
  await ensureBinaries(["kubernetes", "kwok"], say);
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1), "--inside"];
  const script = 'ip link set lo up && exec "$@"';
  const { status } = spawnSync("unshare", ["--net", "sh", "-c", script, "sh", ...again], {
    stdio: "inherit",
  });
  return status ?? 1;
}

async function measure(): Promise<void> {
  await using cleaner = new AsyncDisposableStack();
  // etcd's disk is no part of what is measured.
  const folder = mkdtempSync(
    join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "nodemesh-scale-"),
  );
  cleaner.defer(() => rmSync(folder, { recursive: true, force: true }));
  const programs = await ensureBinaries(["kubernetes", "kwok"], () => undefined);
  const plane = cleaner.use(await startControlPlane(programs, folder));
  const api = cleaner.use(new Api(plane.address));
  await populate(api, size, say);

  const starting = monotonicMs();
  const control = cleaner.use(await startControl(plane.kubeconfig));
  const startMs = monotonicMs() - starting;
  say(`control ready after ${startMs.toFixed(0)} ms, ${megabytes(control.pid)} MB`);
  const readyMegabytes = megabytes(control.pid);
  const order = await crowdOrder(api, size.nodes, folder);
  say(`${size.nodes} tokens made; ${size.nodes} agents connect`);
  const connecting = monotonicMs();
  const crowd = cleaner.use(new Crowd(order));
  await crowd.gathered();
  const gatherMs = monotonicMs() - connecting;
  say(
    `all agents have the world after ${gatherMs.toFixed(0)} ms, control has ${megabytes(control.pid)} MB`,
  );

  const peak = cleaner.use(watchPeak(control));
  const before = { cpu: usage(control.pid, crowd.pid, plane.pids), traffic: await crowd.traffic() };
  const from = monotonicMs();
  const events = await churn(api, size, load);
  await crowd.settled(events);
  const seconds = (monotonicMs() - from) / 1000;
  const after = { cpu: usage(control.pid, crowd.pid, plane.pids), traffic: await crowd.traffic() };
  const peakMegabytes = peak.end();
  const lags = lagsOf(events, crowd.arrivals());
  const arrived = lags.filter((lag) => lag !== undefined);
  const perChange = (key: "messages" | "payloadBytes" | "wireBytes"): number =>
    (after.traffic[key] - before.traffic[key]) / events.length / size.nodes;
  const cores = (key: "control" | "crowd" | "plane"): number =>
    (after.cpu[key] - before.cpu[key]) / seconds;
  const figures: readonly Figure[] = [
    { name: "control, from start to ready", unit: "ms", measured: startMs },
    {
      name: "agents, from the first connection until all have the world",
      unit: "ms",
      measured: gatherMs,
    },
    { name: "control's memory, ready", unit: "MB", measured: readyMegabytes },
    {
      name: "control's memory, peak under churn",
      unit: "MB",
      measured: peakMegabytes,
      limit: 1000,
    },
    { name: "control's CPU under churn", unit: "cores", measured: cores("control") },
    { name: "the agents' CPU (this bench's own)", unit: "cores", measured: cores("crowd") },
    { name: "API server's, etcd's and kwok's CPU", unit: "cores", measured: cores("plane") },
    { name: "event to 99 % acknowledged, median", unit: "ms", measured: quantile(arrived, 0.5) },
    {
      name: "event to 99 % acknowledged, p99",
      unit: "ms",
      measured: quantile(arrived, 0.99),
      limit: 1000,
    },
    { name: "event to 99 % acknowledged, longest", unit: "ms", measured: Math.max(...arrived) },
    { name: "messages per change and stream", unit: "", measured: perChange("messages") },
    { name: "payload per change and stream", unit: "B", measured: perChange("payloadBytes") },
    { name: "TCP bytes per change and stream", unit: "B", measured: perChange("wireBytes") },
  ];
  const { nodes, services, podsPerService } = size;
  console.log(
    `${nodes} nodes, ${services * podsPerService} pods, ${services} services, ${load.perSecond} changes/s for ${load.seconds} s; ${events.length} changes in ${crowd.arrivals().length - 1} versions\n`,
  );
  console.log(figureTable(figures));
  process.exitCode = figures.every(isKept) ? 0 : 1;
}

function megabytes(pid: number): number {
  return Math.round(residentBytes([pid]) / 1e6);
}

function usage(control: number, crowd: number, plane: readonly number[]) {
  return {
    control: cpuSeconds([control]),
    crowd: cpuSeconds([crowd]),
    plane: cpuSeconds(plane),
  };
}

/** Looks four times a second until `end`, which gives the greatest. */
function watchPeak(control: Service): Disposable & { end(): number } {
  let most = megabytes(control.pid);
  const timer = setInterval(() => {
    try {
      most = Math.max(most, megabytes(control.pid));
    } catch (cause) {
      interruption.abort(new Error(`control has ended; it said: ${control.log()}`, { cause }));
    }
  }, 250);
  return {
    end: () => {
      clearInterval(timer);
      return most;
    },
    [Symbol.dispose]: () => clearInterval(timer),
  };
}
