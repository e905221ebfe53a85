/**
 * The engine's relay against haproxy's TCP mode on loopback: `bin/run bench/micro/relay.ts [ROUNDS]`.
 * Interleaved rounds, so that a busy moment hits both; prints medians and the ratio of the same rounds.
 */

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

const ROLES = join(import.meta.dirname, "relay-roles.ts");
const BULK_BYTES = 2e9;
const PING_SECONDS = 2;
const PING_CONNECTIONS = 32;

interface Round {
  /** Bytes or messages per second. */
  readonly rate: number;
  /** CPU seconds of the proxy per GB, or microseconds per message. */
  readonly cpu: number;
}

interface Proxy {
  readonly name: string;
  readonly process: ChildProcess;
  readonly port: number;
}

const children: ChildProcess[] = [];

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}

function role(...args: readonly string[]): ChildProcess {
  return start(process.execPath, [ROLES, ...args]);
}

async function firstLine(child: ChildProcess): Promise<string> {
  let text = "";
  for await (const chunk of child.stdout ?? []) {
    text += String(chunk);
    if (text.includes("\n")) return text.trim();
  }
  throw new Error("a child ended early");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const at = server.address();
  server.close();
  if (at === null || typeof at === "string") throw new Error("no port");
  return at.port;
}

async function haproxy(directory: string, upstream: number): Promise<Proxy> {
  const port = await freePort();
  const file = join(directory, `${port}.cfg`);
  writeFileSync(
    file,
    `global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\nlisten l\n  bind 127.0.0.1:${port}\n  server s 127.0.0.1:${upstream}\n`,
  );
  const child = start("haproxy", ["-q", "-db", "-f", file]);
  await new Promise((resolve) => setTimeout(resolve, 300));
  return { name: "haproxy", process: child, port };
}

async function engine(upstream: number): Promise<Proxy> {
  const child = role("proxy", String(upstream));
  return { name: "engine", process: child, port: Number(await firstLine(child)) };
}

/** CPU seconds of all threads of a process. */
function cpuSeconds(pid: number): number {
  let ns = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`))
    ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
  return ns / 1e9;
}

async function measure(proxy: Proxy, load: readonly string[], perUnit: number): Promise<Round> {
  const pid = proxy.process.pid ?? 0;
  const before = cpuSeconds(pid);
  const line = await firstLine(role(...load));
  const { bytes, seconds } = JSON.parse(line) as { bytes: number; seconds: number };
  return { rate: bytes / seconds, cpu: ((cpuSeconds(pid) - before) / bytes) * perUnit };
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((x, y) => x - y);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

async function compare(
  what: string,
  proxies: readonly Proxy[],
  load: (port: number) => { args: string[]; perUnit: number; rateUnit: number; units: string },
): Promise<void> {
  const rounds = Number(process.argv[2] ?? 5);
  const results = new Map<string, Round[]>(proxies.map(({ name }) => [name, []]));
  for (let i = 0; i <= rounds; i++) {
    for (const proxy of i % 2 === 0 ? proxies : [...proxies].reverse()) {
      const { args, perUnit } = load(proxy.port);
      const round = await measure(proxy, args, perUnit);
      // The first round warms up the JIT and the page cache.
      if (i > 0) results.get(proxy.name)?.push(round);
    }
  }
  const { rateUnit, units } = load(0);
  const mine = results.get("engine") ?? [];
  const theirs = results.get("haproxy") ?? [];
  for (const [name, list] of results) {
    const rate = median(list.map((r) => r.rate)) / rateUnit;
    const cpu = median(list.map((r) => r.cpu));
    console.log(`${what} ${name}: ${rate.toFixed(2)} ${units.replace("%", cpu.toFixed(2))}`);
  }
  const rates = mine.map((r, i) => r.rate / (theirs[i]?.rate ?? Number.NaN));
  const cpus = mine.map((r, i) => r.cpu / (theirs[i]?.cpu ?? Number.NaN));
  console.log(
    `${what} engine/haproxy: rate ${median(rates).toFixed(2)} x, CPU ${median(cpus).toFixed(2)} x` +
      ` (of ${rates.length} rounds: rate ${Math.min(...rates).toFixed(2)} to ${Math.max(...rates).toFixed(2)},` +
      ` CPU ${Math.min(...cpus).toFixed(2)} to ${Math.max(...cpus).toFixed(2)})`,
  );
}

const directory = mkdtempSync(join(tmpdir(), "nodemesh-relay-bench-"));
try {
  const source = Number(await firstLine(role("source", String(BULK_BYTES))));
  const bulk = [await engine(source), await haproxy(directory, source)];
  await compare("bulk", bulk, (port) => ({
    args: ["sink", String(port)],
    perUnit: 1e9,
    rateUnit: 1e9,
    units: "GB/s, % CPU s/GB",
  }));
  const echoPort = Number(await firstLine(role("echo")));
  const messages = [await engine(echoPort), await haproxy(directory, echoPort)];
  await compare("messages", messages, (port) => ({
    args: ["ping", String(port), String(PING_SECONDS), String(PING_CONNECTIONS)],
    perUnit: 1e6,
    rateUnit: 1e3,
    units: "k/s, % CPU us/message",
  }));
} finally {
  for (const child of children) child.kill("SIGKILL");
  rmSync(directory, { recursive: true });
}
