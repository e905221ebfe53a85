/** The second "done when": three commands, an answer through the proxy, and nothing left afterwards; also after crashes. */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { openNetlink } from "../../agent/kernel/netlink.ts";
import { listRules } from "../../agent/kernel/rules.ts";
import { AF_INET, AF_INET6 } from "../../agent/kernel/socket-constants.ts";
import { isAlive } from "../support/is-alive.ts";
import { idlePod, MeshLab } from "../support/mesh-lab.ts";
import { remains, type SimTraces, takeTraces } from "../support/sim-traces.ts";
import { until } from "../support/until.ts";

const NAME = "leftovers";
const SHOP: string = fileURLToPath(new URL("../../deploy/samples/shop.yaml", import.meta.url));
const TWO_PODS: string =
  idlePod("one", "node-1", { "mesh/enabled": "true" }) +
  idlePod("two", "node-2", { "mesh/enabled": "true" });
/** The kernel frees namespaces and BPF objects after a grace period. */
const GONE_MS = 10_000;

let lab: MeshLab | undefined;

after(async () => {
  await lab?.[Symbol.asyncDispose]();
});

test("shop.yaml, annotate, curl: answered through the proxy, and nothing is left after down", async () => {
  const machine = await ownNetwork();
  lab = await MeshLab.start(NAME, await readFile(SHOP, "utf8"));
  await lab.sim("annotate", "pod", "-l", "app=user", "mesh/enabled=true");
  await lab.sim("wait");
  const answer = await lab.exec("deploy/user", "curl", "-s", "http://order/");
  assert.equal(answer.code, 0, answer.stderr);
  assert.equal((JSON.parse(answer.stdout) as { service: string }).service, "order");
  const status = await lab.status();
  const users = status.pods.filter(({ name }) => name.startsWith("user-"));
  assert.deepEqual(
    users.map(({ enrolled }) => enrolled),
    [true, true, true],
  );
  assert.ok((await proxied()) >= 1, "no agent counted the request");
  const traces = takeTraces(status, NAME);
  // Otherwise the list could not show that anything was missed.
  assert.ok(traces.processes.size >= 10 && traces.namespaces.size >= 8, sizes(traces));
  assert.ok(
    traces.links.size >= 10 && traces.programs.size >= 10 && traces.maps.size >= 8,
    sizes(traces),
  );
  assert.ok(remains(traces).length >= 40, "what runs is not seen");
  assert.deepEqual(await ownNetwork(), machine, "the machine's own network was touched");
  await lab.sim("down");
  await allGone(traces);
  assert.deepEqual(await ownNetwork(), machine);
});

test("a killed supervisor is named, and down removes all that it left", async () => {
  const traces = await startAndKill();
  assert.ok(
    remains(traces).length > 20,
    "the rest lives on: it is no supervisor's child to die with it",
  );
  const refused = await started().run("status");
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /sim .*up/);
  await started().sim("down");
  await allGone(traces);
});

test("a killed supervisor's rest is removed by the next up of the same name, which works", async () => {
  const traces = await startAndKill();
  lab = await MeshLab.startOver(NAME, TWO_PODS);
  // Paths are the same as before; what has an id must be another.
  const old = (): readonly string[] =>
    remains(traces).filter((word) => /^(?:process \d+$|namespace|link|program|map)/.test(word));
  assert.deepEqual(await left(old), []);
  const { pods } = await lab.status();
  assert.deepEqual(
    pods.map(({ enrolled, ready }) => enrolled && ready),
    [true, true],
  );
  const fresh = takeTraces(await lab.status(), NAME);
  await lab.sim("down");
  await allGone(fresh);
});

test("all of it killed at once, as by a power cut: down removes what is left", async () => {
  lab = await MeshLab.start(NAME, TWO_PODS);
  const traces = takeTraces(await lab.status(), NAME);
  // As `kill -9` of everything at once: nobody is left to say good-bye.
  for (const pid of traces.processes) kill(pid);
  await until("all are dead", () => ![...traces.processes].some(isAlive));
  await lab.sim("down");
  await allGone(traces);
});

function started(): MeshLab {
  assert.ok(lab);
  return lab;
}

/** Kills the supervisor of a meshed simulation, as the kernel would when memory is out. */
async function startAndKill(): Promise<SimTraces> {
  lab = await MeshLab.start(NAME, TWO_PODS);
  const status = await lab.status();
  const traces = takeTraces(status, NAME);
  const pid = Number(
    (await readFile(join(status.directory, "supervisor.pid"), "utf8")).split(" ")[0],
  );
  kill(pid);
  await until("the supervisor is dead", () => !isAlive(pid));
  return traces;
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // A child of one that was killed first.
  }
}

async function allGone(traces: SimTraces): Promise<void> {
  assert.deepEqual(await left(() => remains(traces)), []);
}

/** What is still there once it is nothing or the kernel had its time. Looks seldom: looking reads all of /proc. */
async function left(look: () => readonly string[]): Promise<readonly string[]> {
  const deadline = performance.now() + GONE_MS;
  for (;;) {
    const words = look();
    if (words.length === 0 || performance.now() > deadline) return words;
    await sleep(200);
  }
}

function sizes(traces: SimTraces): string {
  const { processes, namespaces, links, programs, maps } = traces;
  return [processes, namespaces, links, programs, maps].map(({ size }) => size).join(" ");
}

/** Requests that went through an agent as the client's side. */
async function proxied(): Promise<number> {
  const pages = await Promise.all(["node-1", "node-2"].map((node) => started().metrics(node)));
  return pages
    .flatMap((page) => page.split("\n"))
    .filter(
      (line) =>
        line.startsWith("nodemesh_http_requests_total{") && line.includes('"default/order"'),
    )
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** Links, rules, routes of the network namespace that this test itself runs in. */
async function ownNetwork(): Promise<readonly string[]> {
  using netlink = openNetlink();
  const rules = [AF_INET, AF_INET6].flatMap((family) => listRules(netlink, family as 2 | 10));
  const routes = await Promise.all(
    ["/proc/net/route", "/proc/net/ipv6_route"].map((path) => readFile(path, "utf8")),
  );
  const ipv6 = (routes[1] ?? "")
    .split("\n")
    .map((line) => line.split(/\s+/).toSpliced(6, 2).join(" "));
  return [...readdirSync("/sys/class/net"), JSON.stringify(rules), routes[0] ?? "", ...ipv6];
}
