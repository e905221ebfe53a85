/** One run with the cluster on paper: starts all, lets endpoints change, and says what it cost. */
import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { interruption } from "../harness/process.ts";
import {
  cpuSeconds,
  forgetPeak,
  machineSeconds,
  peakResidentBytes,
  queuedSeconds,
  residentBytes,
} from "../harness/usage.ts";
import { Api } from "./api.ts";
import { type Churn, churn } from "./churn.ts";
import { crowdOrder, startControl } from "./control.ts";
import { startControlPlane } from "./control-plane.ts";
import { Crowd } from "./crowd.ts";
import { ownFolder } from "./folder.ts";
import { type Event, type Lag, lagsOf, quantile } from "./lag.ts";
import { monotonicMs, type Traffic } from "./messages.ts";
import type { Figure, Part } from "./report.ts";
import { populate, type Size } from "./world.ts";

/** After the last change: by then control has collected what it will. */
const SETTLE_MS = 10_000;
/** The slowest changes that are told one by one. */
const SLOWEST = 3;

/** What to measure. */
export interface Run {
  /** Those of test/cluster/build. */
  readonly programs: Readonly<Record<string, string>>;
  readonly size: Size;
  readonly load: Churn;
  readonly say: (line: string) => void;
  /** Folder for CPU profiles of control and of the crowd. */
  readonly profile: string | undefined;
}

/** The processes of a run, by who pays for them. */
interface Pids {
  readonly control: readonly number[];
  readonly crowd: readonly number[];
  readonly plane: readonly number[];
}

/** Counters at one moment. */
interface Reading {
  readonly at: number;
  readonly cpu: Readonly<Record<keyof Pids, number>>;
  readonly queued: Readonly<Record<keyof Pids, number>>;
  readonly machine: number;
  readonly traffic: Traffic;
}

/** Starts everything, measures, stops everything. Rejects with the last words of what failed. */
export async function measure({ programs, size, load, say, profile }: Run): Promise<Part> {
  await using cleaner = new AsyncDisposableStack();
  // etcd's disk is no part of what is measured.
  const base = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
  const folder = ownFolder(base);
  cleaner.defer(() => rmSync(folder, { recursive: true, force: true }));
  const plane = cleaner.use(await startControlPlane(programs, folder));
  const api = cleaner.use(new Api(plane.address));
  await populate(api, size, say).catch((cause: unknown) => {
    throw new Error(`the cluster can't be filled; kwok said: ${plane.log()}`, { cause });
  });
  await plane.freeze();

  const flags = profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", profile];
  const starting = monotonicMs();
  const control = cleaner.use(await startControl(plane.kubeconfig, flags));
  const startMs = monotonicMs() - starting;
  const ready = megabytes(control.pid);
  say(`control ready after ${startMs.toFixed(0)} ms, ${ready.toFixed(0)} MB`);
  const order = await crowdOrder(api, size.nodes, folder);
  say(`${size.nodes} tokens made; ${size.nodes} agents connect`);
  const connecting = monotonicMs();
  const crowd = cleaner.use(new Crowd(order, flags));
  await crowd.gathered();
  const gatherMs = monotonicMs() - connecting;
  const connected = peakResidentBytes(control.pid) / 1e6;
  say(
    `all agents have the world after ${gatherMs.toFixed(0)} ms, control had ${connected.toFixed(0)} MB`,
  );

  forgetPeak(control.pid);
  const pids = { control: [control.pid], crowd: [crowd.pid], plane: plane.pids };
  const before = await read(pids, crowd);
  const events = await churn(api, size, load);
  await crowd.settled(events);
  const after = await read(pids, crowd);
  const churned = peakResidentBytes(control.pid) / 1e6;
  await sleep(SETTLE_MS, undefined, { signal: interruption.signal });
  const lags = lagsOf(events, crowd.arrivals()).filter((lag) => lag !== undefined);
  tellSlowest(events, lags, say);
  const { nodes, services, podsPerService } = size;
  return {
    head: `${nodes} nodes, ${services * podsPerService} pods, ${services} services, ${load.perSecond} changes/s for ${load.seconds} s; ${events.length} changes in ${crowd.arrivals().length - 1} versions`,
    figures: [
      { name: "control, from start to ready", unit: "ms", measured: startMs },
      { name: "agents, first connection until all have the world", unit: "ms", measured: gatherMs },
      { name: "control's memory, ready", unit: "MB", measured: ready },
      memory("peak while agents connect", connected),
      memory("peak under churn", churned),
      memory(`${SETTLE_MS / 1000} s after the churn`, megabytes(control.pid)),
      ...costs(before, after),
      ...delays(lags, size, load),
      ...bytes(before, after, events.length * nodes),
    ],
  };
}

function memory(when: string, measured: number): Figure {
  return { name: `control's memory, ${when}`, unit: "MB", measured, limit: 1000 };
}

/** Cores taken, and what was left of two: a late change is only control's fault where control had a core. */
function costs(before: Reading, after: Reading): readonly Figure[] {
  const seconds = (after.at - before.at) / 1000;
  const cores = (key: keyof Pids): number => (after.cpu[key] - before.cpu[key]) / seconds;
  const waited = (key: keyof Pids): number =>
    ((after.queued[key] - before.queued[key]) / seconds) * 100;
  const ours = cores("control") + cores("crowd") + cores("plane");
  const others = (after.machine - before.machine) / seconds - ours;
  return [
    { name: "control's CPU under churn", unit: "cores", measured: cores("control") },
    { name: "control waited for a core", unit: "% of the time", measured: waited("control") },
    { name: "the agents' CPU (this bench's own)", unit: "cores", measured: cores("crowd") },
    { name: "the agents waited for a core", unit: "% of the time", measured: waited("crowd") },
    { name: "API server's and etcd's CPU", unit: "cores", measured: cores("plane") },
    { name: "everything else on this machine", unit: "cores", measured: others },
  ];
}

function delays(lags: readonly Lag[], size: Size, load: Churn): readonly Figure[] {
  const sent = lags.map(({ sinceSentMs }) => sinceSentMs);
  const answered = lags.map(({ sinceAnsweredMs }) => sinceAnsweredMs);
  const longest = Math.max(...answered);
  // Beyond it one version may hold two changes of a Service, and the later one looks too early.
  const apartMs = (size.services / load.perSecond) * 1000;
  const bound = longest > apartMs ? " (at least: a Service changed again meanwhile)" : "";
  const event = (which: string): string => `event to acknowledged by 99 % of agents, ${which}`;
  const since = (which: string): string => `the same from when it was sent, ${which}`;
  return [
    { name: event("p50"), unit: "ms", measured: quantile(answered, 0.5) },
    { name: event("p99") + bound, unit: "ms", measured: quantile(answered, 0.99), limit: 1000 },
    { name: event("longest") + bound, unit: "ms", measured: longest },
    { name: since("p99 (upper bound)"), unit: "ms", measured: quantile(sent, 0.99) },
    { name: since("longest (upper bound)"), unit: "ms", measured: Math.max(...sent) },
  ];
}

function bytes(before: Reading, after: Reading, shares: number): readonly Figure[] {
  const share = (key: keyof Traffic): number => (after.traffic[key] - before.traffic[key]) / shares;
  return [
    { name: "messages per change and stream", unit: "", measured: share("messages") },
    { name: "payload per change and stream", unit: "B", measured: share("payloadBytes") },
    { name: "TCP bytes per change and stream", unit: "B", measured: share("wireBytes") },
  ];
}

/** One slow moment or all the time: that is the first question about a missed budget. */
function tellSlowest(
  events: readonly Event[],
  lags: readonly Lag[],
  say: (line: string) => void,
): void {
  const first = events[0]?.at ?? 0;
  const slowest = events
    .map(({ at }, index) => ({ at: at - first, lag: lags[index]?.sinceAnsweredMs ?? 0 }))
    .sort((a, b) => b.lag - a.lag)
    .slice(0, SLOWEST);
  for (const { at, lag } of slowest)
    say(`slow: the change at ${(at / 1000).toFixed(1)} s took ${lag.toFixed(0)} ms`);
}

function megabytes(pid: number): number {
  return residentBytes([pid]) / 1e6;
}

async function read(pids: Pids, crowd: Crowd): Promise<Reading> {
  const each = (of: (pids: readonly number[]) => number): Reading["cpu"] => ({
    control: of(pids.control),
    crowd: of(pids.crowd),
    plane: of(pids.plane),
  });
  const traffic = await crowd.traffic();
  return {
    at: monotonicMs(),
    cpu: each(cpuSeconds),
    queued: each(queuedSeconds),
    machine: machineSeconds(),
    traffic,
  };
}
