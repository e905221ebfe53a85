/** What a load's lines add up to, and whether they tell of the whole time that they are asked about. Pure. */

/** One second of a load. */
export interface LoadSecond {
  /** When it ended, milliseconds since 1970. */
  readonly at: number;
  readonly ok: number;
  readonly failed: number;
  /** Why requests failed, with how many. */
  readonly errors: Readonly<Record<string, number>>;
  /** The slowest request that succeeded, in milliseconds. */
  readonly slowestMs: number;
  /** When the oldest request was sent that was still open when it ended, milliseconds since 1970; none was when absent. */
  readonly oldest?: number;
}

/** The sum of some seconds. */
export interface LoadSum extends Omit<LoadSecond, "at" | "oldest"> {
  /** Wall-clock time that was asked about, in seconds: what counts are compared with. */
  readonly seconds: number;
  /** The longest time without a success, in whole seconds. */
  readonly silence: number;
  /** Each second as `ok/failed`, to see when things went wrong. */
  readonly timeline: string;
}

/** What a load is asked about: the seconds that ended after `from` and not after `to`, milliseconds since 1970. */
export interface Asked {
  readonly from: number;
  readonly to: number;
  /** Requests a second that the load sends. */
  readonly rate: number;
}

/**
 * Share of the requests below which a load was not there all the time. Not lines are counted: a busy machine makes them
 * late, and the load then catches up with its requests.
 */
const LEAST_COVERED = 0.8;
/** What is under way at either end, and in the lines before the first and after the last, in seconds. */
const EDGE_SECONDS = 1;

/**
 * Adds up the seconds that are asked about. Throws when they tell of too few requests for that time: a load that stopped
 * has no failures, and must not pass for one that had none.
 */
export function sumOf(all: readonly LoadSecond[], { from, to, rate }: Asked): LoadSum {
  const seconds = all.filter(({ at }) => at > from && at <= to);
  const asked = (to - from) / 1000;
  const told = seconds.reduce((sum, { ok, failed }) => sum + ok + failed, 0);
  const least = Math.max(1, (LEAST_COVERED * asked - EDGE_SECONDS) * rate);
  if (told < least)
    throw new Error(
      `the load tells of ${told} requests in ${asked.toFixed(1)} s of ${rate} each: it stopped or stood still (${timelineOf(all.slice(-20))})`,
    );
  const errors: Record<string, number> = {};
  let [ok, failed, slowestMs, silence, silent] = [0, 0, 0, 0, 0];
  for (const second of seconds) {
    ok += second.ok;
    failed += second.failed;
    slowestMs = Math.max(slowestMs, second.slowestMs);
    silent = second.ok === 0 ? silent + 1 : 0;
    silence = Math.max(silence, silent);
    for (const [why, count] of Object.entries(second.errors))
      errors[why] = (errors[why] ?? 0) + count;
  }
  const timeline = timelineOf(seconds);
  return { ok, failed, errors, slowestMs, silence, seconds: asked, timeline };
}

/** The first second at whose end it is known what came of each request that was sent until a moment; undefined before. */
export function settled(all: readonly LoadSecond[], until: number): LoadSecond | undefined {
  return all.find(({ at, oldest }) => at > until && (oldest === undefined || oldest > until));
}

function timelineOf(seconds: readonly LoadSecond[]): string {
  return seconds.map(({ ok, failed }) => (failed === 0 ? `${ok}` : `${ok}/${failed}`)).join(" ");
}
