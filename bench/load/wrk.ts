/**
 * bench/load makes load: closed loop by Debian's wrk (this file), open loop at a fixed rate, bulk, idle connections.
 * Every generator runs inside the stage's namespace and reports plain numbers. It must never know which proxy it
 * talks to.
 */
import type { ClientPod } from "../stage/stage.ts";

/** What one run of wrk saw; its latencies are of a closed loop, and left out. */
export interface WrkResult {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Connections or requests that failed, by kind; empty when all went well. */
  readonly errors: string;
}

/** How to run it. */
export interface WrkLoad {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  /** Asks the server to close after each answer: every request has a connection of its own. */
  readonly close: boolean;
  /** Sends POSTs with a body of 100 B instead of GETs. */
  readonly post?: boolean;
}

const REPORT = new URL("./wrk-report.lua", import.meta.url).pathname;

/** Runs wrk in the stage's client pod. Rejects when it fails or an answer was not right. */
export async function runWrk(stage: ClientPod, load: WrkLoad): Promise<WrkResult> {
  const argv = ["wrk", "-t1", `-c${load.connections}`, `-d${load.seconds}s`, "-s", REPORT];
  if (load.close) argv.push("-H", "Connection: close");
  const wish = load.post === true ? ["--", "post"] : [];
  const done = await stage.run([...argv, load.url, ...wish], load.seconds * 1000 + 20_000);
  const line = done.stdout.trim().split("\n").at(-1) ?? "";
  if (done.code !== 0 || !line.startsWith("{"))
    throw new Error(`wrk failed: ${done.stdout}${done.stderr}`);
  const said = JSON.parse(line) as Record<string, number>;
  const { requests = 0, micros = 0, bytes = 0, ...kinds } = said;
  if (requests === 0) throw new Error(`wrk got no answer from ${load.url}`);
  const errors = Object.entries(kinds)
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(", ");
  return { requests, seconds: micros / 1e6, bytes, errors };
}
