/**
 * The load generator of the demo, run inside a pod: `load-main.ts URL RATE`. Asks at a fixed rate over kept
 * connections, each used for a second or so, and reports every quarter of a second until stdin ends.
 */

import { Agent, get } from "node:http";
import type { LoadReport } from "./load-report.ts";

const REPORT_MS = 250;
/** One request in so many asks its connection to end: new connections show what `connect()` does now. */
const CLOSE_EVERY = 20;
const TIMEOUT_MS = 3_000;

interface Tally {
  ok: number;
  failed: number;
  errors: Record<string, number>;
  pods: Record<string, number>;
  latencies: number[];
}

let tally: Tally = fresh();

function fresh(): Tally {
  return { ok: 0, failed: 0, errors: {}, pods: {}, latencies: [] };
}

function bump(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

function fail(why: string): void {
  tally.failed++;
  bump(tally.errors, why);
}

function ask(url: string, agent: Agent, sequence: number): void {
  const started = performance.now();
  const headers = sequence % CLOSE_EVERY === 0 ? { connection: "close" } : {};
  const request = get(url, { agent, headers, timeout: TIMEOUT_MS }, (response) => {
    let body = "";
    response.setEncoding("utf8");
    response.on("data", (piece: string) => {
      body += piece;
    });
    response.on("error", (error) => fail(error.message));
    response.on("end", () => {
      if (response.statusCode !== 200) {
        fail(`${response.statusCode} ${response.headers["x-nodemesh-reason"] ?? ""}`.trim());
        return;
      }
      tally.ok++;
      tally.latencies.push(performance.now() - started);
      bump(tally.pods, podOf(body));
    });
  });
  request.on("timeout", () => request.destroy(new Error("timeout")));
  request.on("error", (error: NodeJS.ErrnoException) => fail(error.code ?? error.message));
}

function podOf(body: string): string {
  const answer: unknown = JSON.parse(body);
  if (typeof answer === "object" && answer !== null && "pod" in answer) return String(answer.pod);
  return "unknown";
}

function report(): void {
  const full: LoadReport = tally;
  tally = fresh();
  process.stdout.write(`${JSON.stringify(full)}\n`);
}

const [url = "http://order/", rate = "200"] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: 8 });
let sequence = 0;
let due = performance.now();
setInterval(report, REPORT_MS);
setInterval(() => {
  for (; due <= performance.now(); due += 1000 / Number(rate)) ask(url, agent, ++sequence);
}, 2);
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
