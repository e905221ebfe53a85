/** `up`: a cluster from nothing. Everything that can go on at the same time does. */

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Api } from "./api.ts";
import { ensureBinaries } from "./build/binaries.ts";
import { type Component, componentsOf, logFile, pidOf, start } from "./components.ts";
import { dnsObjects } from "./control/commands.ts";
import { livingKeeper, makeControlNetwork } from "./control/network.ts";
import { down } from "./down.ts";
import { ensurePause } from "./image/images.ts";
import { buildProjectImages } from "./image/project.ts";
import { loadIntoNode } from "./images.ts";
import { takeLock } from "./lock.ts";
import { bootNode, initOf, inNode, makeDisk } from "./node/node.ts";
import { writePki } from "./pki.ts";
import { families, type NodePlan, nodePlans, outsideLink } from "./plan.ts";
import { lastLines } from "./processes.ts";
import {
  type Choices,
  type ClusterPaths,
  type ClusterSpec,
  differences,
  readSpec,
} from "./spec.ts";

const API_DEADLINE_MS = 60_000;
/** Also of a node that boots before its API server is there. */
const NODE_DEADLINE_MS = 120_000;
const LOOK_EVERY_MS = 100;
const SLOTS = 8192;

/** What may be asked for. */
export interface UpOptions extends Choices {
  /** Further image archives for all nodes. */
  readonly load: readonly string[];
}

/** A cluster that is coming up. */
interface Rise {
  readonly paths: ClusterPaths;
  readonly spec: ClusterSpec;
  readonly signal: AbortSignal | undefined;
}

/**
 * Brings a cluster up; returns false when it is up already. The caller holds the cluster's lock. Throws what did not
 * come up, and why, or that it was asked for otherwise than it is; nothing goes on then, but what there is stays.
 */
export async function up(
  paths: ClusterPaths,
  options: UpOptions,
  say: (line: string) => void,
  signal?: AbortSignal,
): Promise<boolean> {
  if (existsSync(paths.ready) && livingKeeper(paths) !== undefined) {
    refuseOther(paths, options);
    return false;
  }
  if (existsSync(paths.root)) {
    say("removing what a former run has left");
    await down(paths);
  }
  const started = performance.now();
  const step = (what: string) => {
    signal?.throwIfAborted();
    say(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${what}`);
  };
  const { kubelet, ...programs } = await ensureBinaries(["kubernetes", "coredns"], say, signal);
  if (kubelet === undefined) throw new Error("the build made no kubelet");
  const pause = ensurePause();
  const { load, ...choices } = options;
  const spec: ClusterSpec = {
    ...choices,
    programs: { etcd: "/usr/bin/etcd", kubelet, ...programs },
    slot: freeSlot(paths.name),
  };
  mkdirSync(paths.logs, { recursive: true });
  writeFileSync(paths.spec, JSON.stringify(spec, undefined, 2));
  const rise: Rise = { paths, spec, signal };
  await together([writePki(paths, spec), makeControlNetwork(paths, spec, pause.program)]);
  step("certificates and network");
  const images = join(paths.root, "images");
  const building = spec.images ? buildProjectImages(images) : Promise.resolve([]);
  const archives = building.then((built) => {
    if (spec.images) step("images built");
    return [...built, ...load];
  });
  const boots = nodePlans(spec.nodes).map((node) => boot(paths, spec, node, pause, archives));
  await together([startControlPlane(rise, step), ...boots]);
  rmSync(images, { recursive: true, force: true });
  step("nodes booted, images loaded");
  await startNodes(rise);
  step("nodes Ready, Services and DNS answer");
  writeFileSync(paths.ready, "");
  return true;
}

/** Waits for all of them, also when one fails, so that nothing goes on behind who takes the rest down. Throws the first failure. */
async function together(parts: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(parts)).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
}

/** Throws when a running cluster is not what is asked for: it would be found out late. */
function refuseOther(paths: ClusterPaths, options: UpOptions): void {
  const tool = `npm run cluster -- --name ${paths.name}`;
  const different = differences(readSpec(paths), options);
  if (different.length > 0)
    throw new Error(
      `cluster "${paths.name}" is up already, with ${different.join("; ")}: take it down first (${tool} down)`,
    );
  if (options.load.length > 0)
    throw new Error(
      `cluster "${paths.name}" is up already: ${tool} load ${options.load.join(" ")}`,
    );
}

/** Starts a node again after a power cut, and waits until it is Ready. Throws when it has power. */
export async function startNode(paths: ClusterPaths, name: string): Promise<void> {
  using _lock = await takeLock(`${paths.name}/${name}`);
  const spec = readSpec(paths);
  const node = nodePlans(spec.nodes).find((plan) => plan.name === name);
  if (node === undefined) throw new Error(`there is no node ${name}`);
  // Booting it would end everything that runs there.
  if (initOf(paths, name) !== undefined)
    throw new Error(
      `${name} runs already; to cut its power first: npm run cluster -- --name ${paths.name} node kill ${name}`,
    );
  await bootNode(paths, spec, node, ensurePause().program);
  using api = new Api(paths, spec);
  startPrograms(paths, spec, node);
  await waitReady({ paths, spec, signal: undefined }, api, node);
}

async function boot(
  paths: ClusterPaths,
  spec: ClusterSpec,
  node: NodePlan,
  pause: { readonly program: string; readonly image: string },
  archives: Promise<readonly string[]>,
): Promise<void> {
  const booted = async (): Promise<void> => {
    makeDisk(paths, spec, node);
    await bootNode(paths, spec, node, pause.program);
    await loadIntoNode(paths, node.name, [pause.image]);
  };
  const [loaded] = await Promise.all([archives, booted()]);
  await loadIntoNode(paths, node.name, loaded);
}

async function startControlPlane(rise: Rise, step: (what: string) => void): Promise<void> {
  const { paths, spec } = rise;
  using api = new Api(paths, spec);
  const programs = componentsOf(spec).filter(({ node }) => node === undefined);
  const [etcd, server, ...others] = programs;
  for (const component of [etcd, server])
    if (component !== undefined) start(paths, spec, component);
  const first = [etcd, server].filter((component) => component !== undefined);
  await waitFor(rise, {
    what: "the API server is ready",
    programs: first,
    holds: () => api.answers("/readyz"),
    deadlineMs: API_DEADLINE_MS,
  });
  step("API server ready");
  for (const component of others) start(paths, spec, component);
  for (const { path, body } of dnsObjects(spec.dualStack)) await api.create(path, body);
  for (const node of nodePlans(spec.nodes)) await createNode(api, spec, node);
  const account = "/api/v1/namespaces/default/serviceaccounts/default";
  await waitFor(rise, {
    what: "controllers work",
    programs,
    holds: () => api.answers(account),
    deadlineMs: API_DEADLINE_MS,
  });
}

/** Makes a node's object before its kubelet does, with the range of its pods. */
async function createNode(api: Api, spec: ClusterSpec, node: NodePlan): Promise<void> {
  await api.create("/api/v1/nodes", {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels: { "kubernetes.io/hostname": node.name } },
    spec: { podCIDR: node.pods.v4, podCIDRs: families(node.pods, spec.dualStack) },
  });
}

async function startNodes(rise: Rise): Promise<void> {
  const { paths, spec } = rise;
  using api = new Api(paths, spec);
  const nodes = nodePlans(spec.nodes);
  for (const node of nodes) startPrograms(paths, spec, node);
  await together(nodes.map((node) => waitReady(rise, api, node)));
}

function startPrograms(paths: ClusterPaths, spec: ClusterSpec, node: NodePlan): void {
  for (const component of componentsOf(spec))
    if (component.node === node.name && component.program !== "containerd")
      start(paths, spec, component);
}

/** Until this boot's kubelet says Ready, kube-proxy has written its rules, and DNS answers through them. */
async function waitReady(rise: Rise, api: Api, node: NodePlan): Promise<void> {
  const { paths, spec } = rise;
  const programs = componentsOf(spec).filter((component) => component.node === node.name);
  const since = Date.now();
  const deadlineMs = NODE_DEADLINE_MS;
  await together([
    waitFor(rise, {
      what: `${node.name}: is Ready`,
      programs: programs.filter(({ program }) => program === "kubelet"),
      // As systemd does: a kubelet ends when its containerd still recovers what a power cut left.
      ended: (kubelet) => start(paths, spec, kubelet),
      holds: () => isReady(api, node.name, since),
      deadlineMs,
    }),
    waitFor(rise, {
      what: `${node.name}: kube-proxy has written its rules`,
      programs: programs.filter(({ program }) => program !== "kubelet"),
      holds: () => proxyWorks(paths, node.name),
      deadlineMs,
    }),
  ]);
}

async function isReady(api: Api, node: string, since: number): Promise<boolean> {
  const answer = await api.send("GET", `/api/v1/nodes/${node}`).catch(() => undefined);
  if (answer?.status !== 200) return false;
  const { spec, status } = JSON.parse(answer.body) as NodeAnswer;
  const condition = status.conditions?.find(({ type }) => type === "Ready");
  // What a former boot's kubelet said stands for a while; times in the API are whole seconds.
  const fresh = Date.parse(condition?.lastHeartbeatTime ?? "") > since - 1_000;
  return fresh && condition?.status === "True" && (spec.taints ?? []).length === 0;
}

/** The parts of a Node that are read here. */
interface NodeAnswer {
  readonly spec: { readonly taints?: readonly unknown[] };
  readonly status: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly lastHeartbeatTime?: string;
    }[];
  };
}

/** Asks for the API server by its Service's address from the node. */
async function proxyWorks(paths: ClusterPaths, node: string): Promise<boolean> {
  const url = "https://10.96.0.1/livez";
  try {
    await inNode(paths, node, ["curl", "-sk", "--max-time", "2", "-o", "/dev/null", url]);
    return true;
  } catch {
    return false;
  }
}

/** A condition to wait for, and the programs that it depends on. */
interface Wait {
  readonly what: string;
  readonly programs: readonly Component[];
  /** What to do with one that has ended; without it the wait fails. */
  readonly ended?: (component: Component) => void;
  readonly holds: () => Promise<boolean>;
  readonly deadlineMs: number;
}

/** Waits for a condition; fails early, with the last words of its log, when a program has ended. */
async function waitFor({ paths, signal }: Rise, wait: Wait): Promise<void> {
  const { what, programs, holds, deadlineMs } = wait;
  const fail = (component: Component) => {
    throw new Error(`${what}: not so, ${whyEnded(paths, component)}`);
  };
  const { ended = fail } = wait;
  const began = performance.now();
  const seen = new Set<Component>();
  while (!(await holds())) {
    signal?.throwIfAborted();
    for (const component of programs)
      if (pidOf(paths, component) !== undefined) seen.add(component);
      else if (seen.delete(component)) ended(component);
    if (performance.now() - began > deadlineMs)
      throw new Error(`${what}: not so after ${deadlineMs} ms\n${logsOf(paths, programs)}`);
    await sleep(LOOK_EVERY_MS);
  }
}

function logsOf(paths: ClusterPaths, programs: readonly Component[]): string {
  const logs = programs.map((component) => logFile(paths, component));
  return logs.map((log) => `${log}: ${lastLines(log, 3)}`).join("\n");
}

function whyEnded(paths: ClusterPaths, component: Component): string {
  const log = logFile(paths, component);
  return `${component.program} has ended (${log}):\n${lastLines(log)}`;
}

/** A /30 that no interface of the machine has; the name decides where the search begins. */
function freeSlot(name: string): number {
  const used = new Set(
    Object.values(networkInterfaces())
      .flatMap((all) => all ?? [])
      .map(({ address }) => address),
  );
  const first =
    createHash("sha256").update(`${hostname()}/${name}`).digest().readUInt16BE() % SLOTS;
  for (let i = 0; i < SLOTS; i++) {
    const slot = (first + i) % SLOTS;
    if (!used.has(outsideLink(slot).main)) return slot;
  }
  throw new Error("every link-local /30 of this machine is in use");
}
