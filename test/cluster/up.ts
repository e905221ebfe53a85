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
import { bootNode, inNode, makeDisk } from "./node/node.ts";
import { writePki } from "./pki.ts";
import { families, type NodePlan, nodePlans, outsideLink } from "./plan.ts";
import { lastLines } from "./processes.ts";
import { type ClusterPaths, type ClusterSpec, readSpec } from "./spec.ts";

const API_DEADLINE_MS = 60_000;
/** Also of a node that boots before its API server is there. */
const NODE_DEADLINE_MS = 120_000;
const LOOK_EVERY_MS = 100;
const SLOTS = 8192;

/** What may be asked for. */
export interface UpOptions
  extends Pick<ClusterSpec, "nodes" | "proxyMode" | "dualStack" | "chained" | "audit"> {
  /** Further image archives for all nodes. */
  readonly load: readonly string[];
  /** Whether nodes get the images of this checkout: agent, control and echo. */
  readonly images: boolean;
}

/** Brings a cluster up; returns false when it is up already. Throws what did not come up, and why. */
export async function up(
  paths: ClusterPaths,
  options: UpOptions,
  say: (line: string) => void,
): Promise<boolean> {
  using _lock = await takeLock(paths.name);
  if (existsSync(paths.ready) && livingKeeper(paths) !== undefined) return false;
  if (existsSync(paths.root)) {
    say("removing what a former run has left");
    await down(paths);
  }
  const started = performance.now();
  const step = (what: string) =>
    say(`${((performance.now() - started) / 1000).toFixed(1).padStart(5)} s  ${what}`);
  const { kubelet, ...programs } = await ensureBinaries(["kubernetes", "coredns"], say);
  if (kubelet === undefined) throw new Error("the build made no kubelet");
  const pause = ensurePause();
  const { load, images, ...wanted } = options;
  const spec: ClusterSpec = {
    ...wanted,
    programs: { etcd: "/usr/bin/etcd", kubelet, ...programs },
    slot: freeSlot(paths.name),
  };
  mkdirSync(paths.logs, { recursive: true });
  writeFileSync(paths.spec, JSON.stringify(spec, undefined, 2));
  await Promise.all([writePki(paths, spec), makeControlNetwork(paths, spec, pause.program)]);
  step("certificates and network");
  const built = images ? buildProjectImages(join(paths.root, "images")) : [];
  if (images) step("images built");
  const all = [...built, ...load];
  const boots = nodePlans(spec.nodes).map((node) => boot(paths, spec, node, pause, all));
  await Promise.all([startControlPlane(paths, spec, step), ...boots]);
  for (const archive of built) rmSync(archive);
  step("nodes booted, images loaded");
  await startNodes(paths, spec);
  step("nodes Ready, Services and DNS answer");
  writeFileSync(paths.ready, "");
  return true;
}

/** Starts a node again after a power cut, and waits until it is Ready. */
export async function startNode(paths: ClusterPaths, name: string): Promise<void> {
  using _lock = await takeLock(`${paths.name}/${name}`);
  const spec = readSpec(paths);
  const node = nodePlans(spec.nodes).find((plan) => plan.name === name);
  if (node === undefined) throw new Error(`there is no node ${name}`);
  await bootNode(paths, spec, node, ensurePause().program);
  using api = new Api(paths, spec);
  await startPrograms(paths, spec, node);
  await waitReady(paths, spec, api, node);
}

async function boot(
  paths: ClusterPaths,
  spec: ClusterSpec,
  node: NodePlan,
  pause: { readonly program: string; readonly image: string },
  load: readonly string[],
): Promise<void> {
  makeDisk(paths, spec, node);
  await bootNode(paths, spec, node, pause.program);
  await loadIntoNode(paths, node.name, [pause.image, ...load]);
}

async function startControlPlane(
  paths: ClusterPaths,
  spec: ClusterSpec,
  step: (what: string) => void,
): Promise<void> {
  using api = new Api(paths, spec);
  const programs = componentsOf(spec).filter(({ node }) => node === undefined);
  const [etcd, server, ...others] = programs;
  for (const component of [etcd, server])
    if (component !== undefined) start(paths, spec, component);
  const first = [etcd, server].filter((component) => component !== undefined);
  await waitFor(
    paths,
    "the API server is ready",
    first,
    () => api.answers("/readyz"),
    API_DEADLINE_MS,
  );
  step("API server ready");
  for (const component of others) start(paths, spec, component);
  for (const { path, body } of dnsObjects(spec.dualStack)) await api.create(path, body);
  for (const node of nodePlans(spec.nodes)) await createNode(api, spec, node);
  const account = "/api/v1/namespaces/default/serviceaccounts/default";
  await waitFor(paths, "controllers work", programs, () => api.answers(account), API_DEADLINE_MS);
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

async function startNodes(paths: ClusterPaths, spec: ClusterSpec): Promise<void> {
  using api = new Api(paths, spec);
  const nodes = nodePlans(spec.nodes);
  await Promise.all(nodes.map((node) => startPrograms(paths, spec, node)));
  await Promise.all(nodes.map((node) => waitReady(paths, spec, api, node)));
}

async function startPrograms(
  paths: ClusterPaths,
  spec: ClusterSpec,
  node: NodePlan,
): Promise<void> {
  for (const component of componentsOf(spec))
    if (component.node === node.name && component.program !== "containerd")
      start(paths, spec, component);
}

/** Until this boot's kubelet says Ready, kube-proxy has written its rules, and DNS answers through them. */
async function waitReady(
  paths: ClusterPaths,
  spec: ClusterSpec,
  api: Api,
  node: NodePlan,
): Promise<void> {
  const programs = componentsOf(spec).filter((component) => component.node === node.name);
  const since = Date.now();
  const wait = (what: string, holds: () => Promise<boolean>) =>
    waitFor(paths, `${node.name}: ${what}`, programs, holds, NODE_DEADLINE_MS);
  await Promise.all([
    wait("is Ready", () => isReady(api, node.name, since)),
    wait("kube-proxy has written its rules", () => proxyWorks(paths, node.name)),
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

/** Waits for a condition; ends early, with the last words of its log, when a program has ended. */
async function waitFor(
  paths: ClusterPaths,
  what: string,
  programs: readonly Component[],
  holds: () => Promise<boolean>,
  deadlineMs: number,
): Promise<void> {
  const began = performance.now();
  const seen = new Set<Component>();
  while (!(await holds())) {
    for (const component of programs) {
      const alive = pidOf(paths, component) !== undefined;
      if (alive) seen.add(component);
      else if (seen.has(component))
        throw new Error(`${what}: not so, ${whyEnded(paths, component)}`);
    }
    if (performance.now() - began > deadlineMs) {
      const logs = programs.map(
        (component) => `${logFile(paths, component)}: ${lastLines(logFile(paths, component), 3)}`,
      );
      throw new Error(`${what}: not so after ${deadlineMs} ms\n${logs.join("\n")}`);
    }
    await sleep(LOOK_EVERY_MS);
  }
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
