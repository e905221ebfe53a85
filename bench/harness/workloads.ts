/** What every contestant is measured by. Each work load gives a few named figures, or none when it does not apply. */
import { runWrk } from "../load/wrk.ts";
import type { RunningPeer } from "../peers/peer.ts";
import { type AnswerSize, PATHS } from "../stage/stage.ts";
import { until } from "./process.ts";
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

/** The work load whose rate at haproxy sets the open loop's rate. */
export const RATE_WORKLOAD = "http 64 × 100 B";

/** In the order in which a round runs them. */
export const WORKLOADS: readonly Workload[] = [
  ...(["small", "large"] as const).flatMap((size) =>
    [1, 16, 64].map((connections) => keepAlive(size, connections)),
  ),
  { name: "connection per request", run: connectionPerRequest },
  { name: "opaque TCP bulk", run: bulk },
  { name: "open loop, half load", run: openLoop },
  { name: "1,000 idle connections", run: idle },
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
    ],
    options.seconds * 1000 + 30_000,
  );
  if (done.code !== 0) throw new Error(`the open loop failed: ${done.stderr.slice(-2_000)}`);
  const said = JSON.parse(done.stdout) as Record<string, number>;
  const { errors = 0, p50 = 0, p99 = 0, p999 = 0 } = said;
  if (errors > 0) throw new Error(`${errors} errors of the open loop at ${peer.http}`);
  return { p50Micros: p50, p99Micros: p99, p999Micros: p999 };
}

/** In the first round only: afterwards an allocator has the memory already and growth says nothing. */
async function idle(peer: RunningPeer, options: RunOptions): Promise<Figures | undefined> {
  const pids = peer.pids();
  if (pids.length === 0 || options.round > 0) return undefined;
  const before = residentBytes(pids);
  await using holder = peer.stage.client([
    ...script("../load/hold/main.ts"),
    ...hostAndPort(peer.tcp ?? peer.http),
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

function script(path: string): readonly string[] {
  return [process.execPath, new URL(path, import.meta.url).pathname];
}

function hostAndPort(address: string): readonly string[] {
  return address.split(":");
}
