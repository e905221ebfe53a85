/** What every contestant is measured by. Each work load gives a few named figures, or none when it does not apply. */
import { runWrk } from "../load/wrk.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { type AnswerSize, PATHS } from "../stage/stage.ts";
import { until } from "./process.ts";
import { spread } from "./statistics.ts";
import { cpuSeconds, machineSeconds, residentBytes } from "./usage.ts";

/** Figures of one work load by name; the unit is in the name. */
export type Figures = Readonly<Record<string, number>>;

/** What a work load is told about the run. */
export interface RunOptions {
  /** Seconds of load. */
  readonly seconds: number;
  /** Requests per second of the open loop: the same for all contestants of a round. */
  readonly openRate: number;
  /** Counted from 0. */
  readonly round: number;
}

/** One kind of load. */
export interface Workload {
  readonly name: string;
  run(peer: RunningPeer, options: RunOptions): Promise<Figures | undefined>;
}

const HELD_CONNECTIONS = 1_000;
const OPEN_CONNECTIONS = 64;
/** Seconds of the same load before the open loop is measured: half load is a steady state. */
const OPEN_WARM_UP_S = 2;
const WARM_UP_CONNECTIONS = 4;
/** Times that a pod is enrolled and un-enrolled in a round. */
const FLIPS = 5;
/** Longest wait for a change to show. */
const EFFECT_PATIENCE_MS = 10_000;

/** The work load whose rate at haproxy sets the open loop's rate. */
export const RATE_WORKLOAD = "http 64 × 100 B";

/** In the order in which a round runs them. */
export const WORKLOADS: readonly Workload[] = [
  // First: a process that has carried load keeps memory that idle connections could use.
  { name: "1,000 idle connections", run: idle },
  { name: "annotation to effect", run: effect },
  ...(["small", "large"] as const).flatMap((size) =>
    [1, 16, 64].map((connections) => keepAlive(size, connections)),
  ),
  { name: "connection per request", run: connectionPerRequest },
  { name: "opaque TCP bulk", run: bulk },
  { name: "open loop, half load", run: openLoop },
  { name: "memory after the loads", run: memoryAfter },
];

function keepAlive(size: AnswerSize, connections: number): Workload {
  return {
    name: `http ${connections} × ${size === "small" ? "100 B" : "10 kB"}`,
    run: (peer, options) =>
      measured(peer, {
        url: `http://${peer.http}${PATHS[size]}`,
        connections,
        seconds: options.seconds,
        close: false,
      }),
  };
}

function connectionPerRequest(peer: RunningPeer, options: RunOptions): Promise<Figures> {
  const url = `http://${peer.http}${PATHS.small}`;
  return measured(peer, { url, connections: 16, seconds: options.seconds, close: true });
}

async function measured(peer: RunningPeer, load: Parameters<typeof runWrk>[1]): Promise<Figures> {
  const pids = peer.pids();
  const [cpu, machine] = [cpuSeconds(pids), machineSeconds()];
  const { requests, seconds, errors } = await runWrk(peer.stage, load);
  if (errors !== "") throw new Error(`errors of wrk at ${load.url}: ${errors}`);
  const figures = {
    perSecond: requests / seconds,
    machineMicros: ((machineSeconds() - machine) / requests) * 1e6,
  };
  if (pids.length === 0) return figures;
  return { ...figures, cpuMicros: ((cpuSeconds(pids) - cpu) / requests) * 1e6 };
}

async function bulk(peer: RunningPeer, options: RunOptions): Promise<Figures | undefined> {
  if (peer.tcp === undefined) return undefined;
  const pids = peer.pids();
  const cpu = cpuSeconds(pids);
  const url = `http://${peer.tcp}${PATHS.bulk}`;
  const { bytes, seconds } = await runWrk(peer.stage, {
    url,
    connections: 2,
    seconds: options.seconds,
    close: false,
  });
  const gigabytes = bytes / 1e9;
  const figures = { gigabytesPerSecond: gigabytes / seconds };
  if (pids.length === 0) return figures;
  return { ...figures, cpuMillisPerGigabyte: ((cpuSeconds(pids) - cpu) / gigabytes) * 1e3 };
}

async function openLoop(peer: RunningPeer, options: RunOptions): Promise<Figures> {
  const done = await peer.stage.run(
    [
      ...script("../load/open-loop/main.ts"),
      ...hostAndPort(peer.http),
      PATHS.small,
      String(Math.round(options.openRate)),
      String(OPEN_CONNECTIONS),
      String(options.seconds),
      String(OPEN_WARM_UP_S),
    ],
    (options.seconds + OPEN_WARM_UP_S) * 1000 + 30_000,
  );
  if (done.code !== 0) throw new Error(`the open loop failed: ${done.stderr.slice(-2_000)}`);
  const said = JSON.parse(done.stdout) as Record<string, number>;
  const { errors = 0, p50 = 0, p99 = 0, p999 = 0 } = said;
  if (errors > 0) throw new Error(`${errors} errors of the open loop at ${peer.http}`);
  return { p50Micros: p50, p99Micros: p99, p999Micros: p999 };
}

/** In the first round only: afterwards a process has the memory already and growth says nothing. */
async function idle(peer: RunningPeer, options: RunOptions): Promise<Figures | undefined> {
  const pids = peer.pids();
  if (pids.length === 0 || options.round > 0) return undefined;
  const address = peer.tcp ?? peer.http;
  const url = `http://${address}${PATHS.small}`;
  await runWrk(peer.stage, { url, connections: WARM_UP_CONNECTIONS, seconds: 1, close: false });
  const before = residentBytes(pids);
  await using holder = peer.stage.client([
    ...script("../load/hold/main.ts"),
    ...hostAndPort(address),
    PATHS.small,
    String(HELD_CONNECTIONS),
  ]);
  await until(
    () => `1,000 held connections: ${holder.log()}`,
    30_000,
    () => {
      if (holder.log().includes("closed a held")) throw new Error(holder.log());
      return holder.log().includes(`held ${HELD_CONNECTIONS}`);
    },
  );
  const held = residentBytes(pids);
  return {
    residentMegabytes: held / 1e6,
    kilobytesPerPair: (held - before) / 1e3 / HELD_CONNECTIONS,
  };
}

/** What a process keeps when all is over: the first and the last figure of a leak. */
function memoryAfter(peer: RunningPeer): Promise<Figures | undefined> {
  const pids = peer.pids();
  return Promise.resolve(
    pids.length === 0 ? undefined : { residentMegabytes: residentBytes(pids) / 1e6 },
  );
}

/** From asking for the annotation (and for its removal) to the first connection that shows it. */
async function effect(peer: RunningPeer): Promise<Figures | undefined> {
  const { enrolment } = peer;
  if (enrolment === undefined) return undefined;
  await using prober = enrolment.stage.client([
    ...script("../load/probe/main.ts"),
    ...hostAndPort(enrolment.stage.direct),
    PATHS.small,
  ]);
  const changes = (): { redirected: boolean; at: number }[] =>
    prober
      .log()
      .split("\n")
      .filter((line) => line.startsWith("{") && line.endsWith("}"))
      .map((line) => JSON.parse(line));
  const seen = async (count: number): Promise<number> => {
    await until(
      () => `change of path: ${prober.log()}`,
      EFFECT_PATIENCE_MS,
      () => changes().length >= count,
    );
    return changes()[count - 1]?.at ?? Number.NaN;
  };
  await seen(1);
  const times = { enrol: [] as number[], leave: [] as number[] };
  for (let flip = 0; flip < FLIPS * 2; flip++) {
    const enabled = flip % 2 === 0;
    const asked = Number(process.hrtime.bigint()) / 1e6;
    await enrolment.set(enabled);
    times[enabled ? "enrol" : "leave"].push((await seen(flip + 2)) - asked);
  }
  return {
    effectMillis: spread(times.enrol).median,
    effectMaxMillis: Math.max(...times.enrol),
    leaveMillis: spread(times.leave).median,
  };
}

function script(path: string): readonly string[] {
  return [process.execPath, new URL(path, import.meta.url).pathname];
}

function hostAndPort(address: string): readonly string[] {
  return address.split(":");
}
