/** The demo's chapters: each does one thing, shows it in plain words and says whether it was true. */

import { setTimeout as sleep } from "node:timers/promises";
import { type LoadReport, quantile } from "./load-report.ts";
import { Load, metricsOf, type SimStatus, sim, status, sumOf } from "./sim.ts";

/** Where the demo talks to. */
export interface Stage {
  readonly say: (line: string) => void;
  /** Notes a claim; a false one makes the demo fail. */
  readonly claim: (text: string, holds: boolean) => void;
}

/** How long each observation lasts. */
const LOOK_MS = 3_000;
/** Longest wait for something that should be quick. */
const PATIENCE_MS = 10_000;
/** Budget from annotation to effect. */
const EFFECT_BUDGET_MS = 200;

/** Runs all chapters against a simulation that is up. */
export async function tell(stage: Stage): Promise<void> {
  await using load = new Load("http://order/", 200);
  const direct = await showDirect(stage, load);
  const meshed = await showEnrolment(stage, load);
  await showReplicas(stage, load);
  await showDeadAgent(stage, load);
  await showMetrics(stage);
  stage.say("");
  stage.say("latency, milliseconds     p50      p99");
  stage.say(latencyRow("direct", direct));
  stage.say(latencyRow("through the mesh", meshed));
}

async function showDirect({ say, claim }: Stage, load: Load): Promise<LoadReport> {
  say("\n1. A pod calls http://order/ 200 times a second, without the mesh.");
  await load.listen(PATIENCE_MS, (sum) => sum.ok > 50);
  const seen = await load.during(LOOK_MS);
  claim(
    `${seen.ok} requests answered directly, ${seen.failed} failed`,
    seen.ok > 0 && seen.failed === 0,
  );
  return seen;
}

async function showEnrolment({ say, claim }: Stage, load: Load): Promise<LoadReport> {
  say("\n2. kubectl annotate pod load mesh/enabled=true — while it runs, no restart.");
  const node = await nodeOf("load");
  const before = await counters(node);
  const started = performance.now();
  await sim("annotate", "pod", "load", "mesh/enabled=true");
  const asked = performance.now();
  await until(async () => (await counters(node)).caught > before.caught);
  const effect = performance.now() - asked;
  say(
    `   the command took ${(asked - started).toFixed(0)} ms; the kernel redirected the first connection ` +
      `at most ${effect.toFixed(0)} ms later (budget ${EFFECT_BUDGET_MS} ms, polled)`,
  );
  await load.during(1_000);
  const first = await counters(node);
  const seen = await load.during(LOOK_MS);
  const last = await counters(node);
  claim(`${seen.ok} requests answered, ${seen.failed} failed`, seen.ok > 0 && seen.failed === 0);
  say(
    `   eBPF redirected ${last.caught - before.caught} connections; the proxy counted ` +
      `${last.requests - first.requests} requests meanwhile`,
  );
  claim(
    "the kernel's counter and the proxy's both rise",
    last.caught > first.caught && last.requests > first.requests,
  );
  showSpread({ say, claim }, seen, 3);
  return seen;
}

function showSpread({ say, claim }: Stage, { pods }: LoadReport, replicas: number): void {
  const rows = Object.entries(pods).toSorted(([a], [b]) => a.localeCompare(b));
  const total = rows.reduce((sum, [, count]) => sum + count, 0);
  for (const [pod, count] of rows)
    say(
      `   ${pod.padEnd(28)} ${String(count).padStart(6)}  ${"█".repeat(Math.round((40 * count) / total))}`,
    );
  const least = Math.min(...rows.map(([, count]) => count));
  claim(
    `requests of one client are spread over ${replicas} replicas`,
    rows.length === replicas && least > total / (2 * replicas),
  );
}

async function showReplicas({ say, claim }: Stage, load: Load): Promise<void> {
  say("\n3. One replica crashes and a fourth one is added, under load.");
  const victim = (await status()).pods.find((pod) => pod.name.startsWith("order-"));
  if (victim === undefined) throw new Error("there is no order pod");
  load.forget();
  await sim("kill", `pod/${victim.name}`);
  say(`   ${victim.name} was killed`);
  await load.during(1_000);
  await sim("scale", "deploy/order", "4");
  say("   deploy/order was scaled to 4");
  await until(async () => {
    const { pods } = await status();
    return pods.filter((pod) => pod.name.startsWith("order-") && pod.ready).length === 4;
  });
  const seen = await load.during(LOOK_MS);
  claim(
    `${seen.ok} requests answered since, ${seen.failed} failed ${words(seen)}`,
    seen.failed === 0,
  );
  showSpread({ say, claim }, await load.during(LOOK_MS), 4);
}

async function showDeadAgent({ say, claim }: Stage, load: Load): Promise<void> {
  say(
    "\n4. The agent of the client's node is killed (SIGKILL). The pod's mesh/fail is open: traffic goes on directly.",
  );
  const node = await nodeOf("load");
  load.forget();
  await sim("kill", `agent/${node.name}`, "--stay-dead");
  // What was inside the proxy dies with it; everything after that must be served.
  const atOnce = await load.during(1_000);
  say(
    `   in the second of the kill: ${atOnce.ok} answered, ${atOnce.failed} cut with the proxy ${words(atOnce)}`,
  );
  const seen = await load.during(LOOK_MS);
  claim(
    `afterwards ${seen.ok} requests answered without an agent, ${seen.failed} failed`,
    seen.ok > 100 && seen.failed === 0,
  );
  await sim("revive", `agent/${node.name}`);
  await sim("wait");
  const before = await counters(node);
  await until(async () => (await counters(node)).requests > before.requests);
  const again = await load.during(1_000);
  claim(`the agent is back and carries requests again, ${again.failed} failed`, again.failed === 0);
}

async function showMetrics({ say, claim }: Stage): Promise<void> {
  say("\n5. What the agents measured (curl it inside the node's network namespace):");
  const { nodes } = await status();
  for (const node of nodes) {
    const page = await metricsOf(node);
    const requests = sumOf(page, "nodemesh_http_requests_total");
    const pods = sumOf(page, "nodemesh_enrolled_pods");
    say(
      `   ${node.metrics}  nodemesh_http_requests_total ${requests}, nodemesh_enrolled_pods ${pods}`,
    );
  }
  const page = await metricsOf(await nodeOf("load"));
  claim(
    "requests are counted by workload and service",
    sumOf(
      page,
      "nodemesh_http_requests_total",
      'src_workload="load"',
      'dst_service="default/order"',
      'code="200"',
    ) > 0,
  );
}

interface Counters {
  readonly caught: number;
  readonly requests: number;
}

async function counters(node: SimStatus["nodes"][number]): Promise<Counters> {
  const page = await metricsOf(node);
  return {
    caught: sumOf(page, "nodemesh_kernel_events_total", 'event="turned-caught"'),
    requests: sumOf(page, "nodemesh_http_requests_total"),
  };
}

async function nodeOf(pod: string): Promise<SimStatus["nodes"][number]> {
  const { nodes, pods } = await status();
  const name = pods.find((one) => one.name === pod)?.node;
  const node = nodes.find((one) => one.name === name);
  if (node === undefined) throw new Error(`pod ${pod} is on no node`);
  return node;
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`did not happen within ${PATIENCE_MS / 1_000} s`);
    await sleep(10);
  }
}

function words({ errors }: LoadReport): string {
  const all = Object.entries(errors).map(([why, count]) => `${why}: ${count}`);
  return all.length === 0 ? "" : `(${all.join(", ")})`;
}

function latencyRow(name: string, { latencies }: LoadReport): string {
  const cell = (fraction: number) => quantile(latencies, fraction).toFixed(2).padStart(8);
  return `${name.padEnd(20)} ${cell(0.5)} ${cell(0.99)}`;
}
