/** What every contestant is measured by. Each work load gives a few named figures, or none when it does not apply. */
import { setTimeout as sleep } from "node:timers/promises";
import { runWrk } from "../load/wrk.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { type AnswerSize, PATHS } from "../stage/stage.ts";
import { type Service, until } from "./process.ts";
import { spread } from "./statistics.ts";
import { cpuSeconds, machineSeconds, queuedSeconds, residentBytes } from "./usage.ts";

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
/** Connections before the first look at the memory: what the first ones allocate is no cost of a connection. */
const WARM_UP_CONNECTIONS = 20;
/** Time for what is freed late (garbage, closing sockets) before memory is read. */
const SETTLE_MS = 1_000;
/** Times that a pod is enrolled and un-enrolled, in the first round only. */
const FLIPS = 12;
/** Longest wait for a change to show. */
const EFFECT_PATIENCE_MS = 10_000;

/** Names that the budgets refer to. */
export const IDLE_OPAQUE = "1,000 idle connections, opaque TCP";
export const IDLE_HTTP = "1,000 idle connections, HTTP";
export const EFFECT = "annotation to effect";

/** The work load that needs a rate. */
export const OPEN_LOOP = "open loop, half load";

/** The work load whose rate at haproxy sets the open loop's rate. */
export const RATE_WORKLOAD = "http 64 × 100 B";

/** In the order in which a round runs them. */
export const WORKLOADS: readonly Workload[] = [
  // First: a process that has carried load keeps memory that idle connections could use.
  { name: IDLE_OPAQUE, run: (peer, { round }) => idle(peer, peer.tcp, round) },
  { name: IDLE_HTTP, run: (peer, { round }) => idle(peer, peer.http, round) },
  { name: EFFECT, run: effect },
  ...(["small", "large"] as const).flatMap((size) =>
    [1, 16, 64].map((connections) => keepAlive(size, connections)),
  ),
  { name: "connection per request", run: connectionPerRequest },
  { name: "opaque TCP bulk", run: bulk },
  { name: OPEN_LOOP, run: openLoop },
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

/** Closed-loop load of wrk: rate, and CPU per request of the peer's processes. Throws when an answer was not right. */
export async function measured(
  peer: RunningPeer,
  load: Parameters<typeof runWrk>[1],
): Promise<Figures> {
  const pids = await peer.pids();
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
  const pids = await peer.pids();
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
  const pids = await peer.pids();
  const queued = queuedSeconds(pids);
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
  const { errors = 0, p50 = 0, p99 = 0, p999 = 0, lateP999 = 0 } = said;
  if (errors > 0) throw new Error(`${errors} errors of the open loop at ${peer.http}`);
  const figures = { p50Micros: p50, p99Micros: p99, p999Micros: p999, lateP999Micros: lateP999 };
  if (pids.length === 0) return figures;
  const seconds = options.seconds + OPEN_WARM_UP_S;
  return { ...figures, queuedMillis: ((queuedSeconds(pids) - queued) / seconds) * 1e3 };
}

/** In the first round only: it replaces the processes. */
async function idle(
  peer: RunningPeer,
  address: string | undefined,
  round: number,
): Promise<Figures | undefined> {
  if ((await peer.pids()).length === 0 || address === undefined || round > 0) return undefined;
  return idleMemory(peer, address);
}

/** Memory of processes that are started for it, so that no load before has grown their heaps. */
export async function idleMemory(peer: RunningPeer, address: string): Promise<Figures> {
  await peer.renew();
  const pids = await peer.pids();
  {
    await using _warm = await hold(peer, address, WARM_UP_CONNECTIONS);
  }
  await sleep(SETTLE_MS);
  const before = residentBytes(pids);
  await using _held = await hold(peer, address, HELD_CONNECTIONS);
  await sleep(SETTLE_MS);
  const held = residentBytes(pids);
  return {
    freshMegabytes: before / 1e6,
    residentMegabytes: held / 1e6,
    kilobytesPerPair: (held - before) / 1e3 / HELD_CONNECTIONS,
  };
}

/** Opens connections, each answered once, and holds them until disposed. */
async function hold(peer: RunningPeer, address: string, count: number): Promise<Service> {
  await using failed = new AsyncDisposableStack();
  const argv = [...script("../load/hold/main.ts"), ...hostAndPort(address), PATHS.small];
  const holder = failed.use(peer.stage.client([...argv, String(count)]));
  await until(
    () => `${count} held connections: ${holder.log()}`,
    30_000,
    () => {
      if (holder.log().includes("closed a held")) throw new Error(holder.log());
      return holder.log().includes(`held ${count}`);
    },
  );
  failed.move(); // the caller owns it now
  return holder;
}

/** What a process keeps when all is over: the first and the last figure of a leak. */
export async function memoryAfter(peer: RunningPeer): Promise<Figures | undefined> {
  const pids = await peer.pids();
  return pids.length === 0 ? undefined : { residentMegabytes: residentBytes(pids) / 1e6 };
}

/** From asking for the annotation (and for its removal) to the first connection that shows it. */
async function effect(peer: RunningPeer, { round }: RunOptions): Promise<Figures | undefined> {
  const { enrolment } = peer;
  if (enrolment === undefined || round > 0) return undefined;
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
    leaveMaxMillis: Math.max(...times.leave),
  };
}

function script(path: string): readonly string[] {
  return [process.execPath, new URL(path, import.meta.url).pathname];
}

function hostAndPort(address: string): readonly string[] {
  return address.split(":");
}
