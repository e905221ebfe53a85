/** Interleaved rounds: in each, every work load runs at every contestant before the next round begins. */
import type { RunningPeer } from "../peers/peer.ts";
import { interruption } from "./process.ts";
import { type Figures, OPEN_LOOP, RATE_WORKLOAD, WORKLOADS, type Workload } from "./workloads.ts";

/** One contestant, running. */
export interface Contestant {
  readonly name: string;
  readonly peer: RunningPeer;
}

/** The figures of one work load at one contestant, one entry a round; a round that failed is absent and in `failures`. */
export interface Cell {
  readonly workload: string;
  readonly peer: string;
  readonly figure: string;
  readonly values: number[];
  /** The round of each value, counted from 0: only values of the same round are compared. */
  readonly rounds: number[];
  /** Each value divided by the yardstick's of the same round. */
  readonly ratios: number[];
}

/** All that a run found. */
export interface Measurements {
  readonly cells: readonly Cell[];
  readonly failures: readonly string[];
}

/** How to run. */
export interface RoundOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly workloads: readonly Workload[];
  /** The contestant that ratios and the open loop's rate refer to. */
  readonly yardstick: string;
  readonly say: (line: string) => void;
}

/** Seconds of the run that finds the yardstick's rate when the chosen work loads do not. */
const CALIBRATION_SECONDS = 1;

/** Runs all rounds; a failing measurement is noted and the run goes on. */
export async function runRounds(
  contestants: readonly Contestant[],
  options: RoundOptions,
): Promise<Measurements> {
  const cells = new Map<string, Cell>();
  const failures: string[] = [];
  let openRate = await firstRate(contestants, options);
  for (let round = 0; round < options.rounds; round++) {
    for (const workload of options.workloads) {
      const found = new Map<string, Figures>();
      for (const { name, peer } of rotated(contestants, round)) {
        interruption.signal.throwIfAborted();
        const run = workload.run(peer, { seconds: options.seconds, openRate, round });
        const figures = await run.catch((error: Error) => {
          interruption.signal.throwIfAborted();
          failures.push(`round ${round + 1}, ${workload.name}, ${name}: ${error.message}`);
          options.say(failures.at(-1) ?? "");
          return undefined;
        });
        if (figures !== undefined) found.set(name, figures);
        options.say(`round ${round + 1}: ${workload.name}: ${name} ${inWords(figures)}`);
      }
      const yardstick = found.get(options.yardstick);
      collect(cells, { workload: workload.name, round, yardstick }, found);
      const rate = yardstick?.["perSecond"];
      if (workload.name === RATE_WORKLOAD && rate !== undefined && round === 0) openRate = rate / 2;
    }
  }
  return { cells: [...cells.values()], failures };
}

/**
 * The open loop's rate before any round: half of the yardstick's requests per second, measured where no load of the
 * rounds will tell it. 0 = not needed, or not yet known.
 */
async function firstRate(
  contestants: readonly Contestant[],
  { workloads, yardstick }: RoundOptions,
): Promise<number> {
  const names = workloads.map(({ name }) => name);
  if (!names.includes(OPEN_LOOP) || names.includes(RATE_WORKLOAD)) return 0;
  const peer = contestants.find(({ name }) => name === yardstick)?.peer;
  const workload = WORKLOADS.find(({ name }) => name === RATE_WORKLOAD);
  if (peer === undefined || workload === undefined) throw new Error(`there is no ${yardstick}`);
  const found = await workload.run(peer, { seconds: CALIBRATION_SECONDS, openRate: 0, round: 0 });
  return (found?.["perSecond"] ?? 0) / 2;
}

/** Another contestant begins in each round, so that none always follows the same one. */
function rotated<T>(items: readonly T[], by: number): readonly T[] {
  const at = by % Math.max(1, items.length);
  return [...items.slice(at), ...items.slice(0, at)];
}

/** Where figures were found, and what they are divided by. */
interface Where {
  readonly workload: string;
  readonly round: number;
  readonly yardstick: Figures | undefined;
}

function collect(
  cells: Map<string, Cell>,
  { workload, round, yardstick }: Where,
  found: Map<string, Figures>,
): void {
  for (const [peer, figures] of found) {
    for (const [figure, value] of Object.entries(figures)) {
      const key = `${workload}|${peer}|${figure}`;
      const cell = cells.get(key) ?? { workload, peer, figure, values: [], rounds: [], ratios: [] };
      cells.set(key, cell);
      cell.values.push(value);
      cell.rounds.push(round);
      const base = yardstick?.[figure];
      if (base !== undefined && base > 0) cell.ratios.push(value / base);
    }
  }
}

function inWords(figures: Figures | undefined): string {
  if (figures === undefined) return "–";
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value.toPrecision(4)}`)
    .join(", ");
}
