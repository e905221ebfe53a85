/** A node's life: made, booted, its programs started, entered, cut off from power. */

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { processesOf } from "../../../deploy/sim/cgroups.ts";
import { until } from "../../support/until.ts";
import { hierarchies, makeEverywhere, removeEverywhere, v2Root } from "../cgroups.ts";
import { plugNode } from "../control/network.ts";
import { CONTROL, NODE_NET, type NodePlan, nodePlans } from "../plan.ts";
import { inCgroups, lastLines, processNamed, run, startDetached } from "../processes.ts";
import type { ClusterPaths, ClusterSpec } from "../spec.ts";
import { type Boot, bootScript, cniPlugins, DISK_FOLDERS, etcFiles, PROGRAMS } from "./files.ts";

/** The programs of a node, in the order in which they are started. */
export const NODE_COMPONENTS = ["containerd", "kubelet", "kube-proxy"] as const;

/** One of them. */
export type NodeComponent = (typeof NODE_COMPONENTS)[number];

const BOOT_DEADLINE_MS = 20_000;

/** Where a node's process 1 is found, and the cgroup that is the node's root. */
export function nodeCgroup({ cgroup }: ClusterPaths, node: string): string {
  return join(cgroup, node);
}

/** The v2 cgroup of one of a node's programs, below the node's root. */
export function componentCgroup(paths: ClusterPaths, node: string, program: string): string {
  return join(v2Root(), nodeCgroup(paths, node), "components", program);
}

/** The node's process 1; undefined when it does not run. */
export function initOf(paths: ClusterPaths, node: string): number | undefined {
  return processNamed("init", processesOf(componentCgroup(paths, node, "init")));
}

/** The same; throws with a next step when it does not run. */
export function runningInit(paths: ClusterPaths, node: string): number {
  const pid = initOf(paths, node);
  if (pid === undefined)
    throw new Error(
      `${node} does not run: npm run cluster -- --name ${paths.name} node start ${node}`,
    );
  return pid;
}

/** Writes a new node's disk. */
export function makeDisk(paths: ClusterPaths, spec: ClusterSpec, node: NodePlan): void {
  const disk = diskOf(paths, node.name);
  for (const folder of DISK_FOLDERS) mkdirSync(join(disk, folder), { recursive: true });
  const pem = (name: string) => readFileSync(join(paths.pki, name), "utf8");
  const pems = {
    ca: pem("ca.crt"),
    kubelet: pem(`${node.name}.kubeconfig`),
    proxy: pem("kube-proxy.kubeconfig"),
  };
  for (const [path, text] of Object.entries(etcFiles(node, spec, pems)))
    writeFileSync(join(disk, "etc", path), text, { mode: 0o644 });
  for (const { name, target } of cniPlugins()) {
    const link = join(disk, "opt/cni/bin", name);
    if (!isThere(link)) symlinkSync(target, link);
  }
}

/** Boots a node from its disk: namespaces, cgroups, network, containerd. What was left of a former boot is removed. */
export async function bootNode(
  paths: ClusterPaths,
  spec: ClusterSpec,
  node: NodePlan,
  init: string,
): Promise<void> {
  const { name } = node;
  await removeEverywhere(nodeCgroup(paths, name));
  const roots = makeEverywhere(nodeCgroup(paths, name));
  const disk = diskOf(paths, name);
  // What a power cut leaves of an overlay's work folder can't be used again.
  for (const work of ["work-etc", "work-opt"]) {
    rmSync(join(disk, work), { recursive: true, force: true });
    mkdirSync(join(disk, work));
  }
  const kubelet = spec.programs["kubelet"] ?? "";
  const boot: Boot = { node, disk, hierarchies: hierarchies(), init, programs: dirname(kubelet) };
  const script = join(disk, "boot.sh");
  writeFileSync(script, bootScript(boot));
  const log = logOf(paths, name, "init");
  // The new cgroup namespace's root is the cgroup in which unshare runs: process 1 moves aside afterwards.
  const all = "--net --mount --uts --ipc --pid --cgroup --fork --kill-child".split(" ");
  startDetached(inCgroups(roots, ["unshare", ...all, "/bin/sh", script]), log);
  const root = join(v2Root(), nodeCgroup(paths, name));
  const booted = () => processNamed("init", processesOf(root));
  await until(`${name} boots (see ${log})`, () => booted() !== undefined, BOOT_DEADLINE_MS).catch(
    (cause: unknown) => {
      throw new Error(`${name} does not boot: ${lastLines(log)}`, { cause });
    },
  );
  const pid = booted() ?? 0;
  const aside = componentCgroup(paths, name, "init");
  mkdirSync(aside, { recursive: true });
  for (const member of processesOf(root)) writeFileSync(join(aside, "cgroup.procs"), `${member}`);
  await plugNode(paths, name, pid);
  await inNode(paths, name, ["/bin/sh", "-ec", networkScript(spec, node)]);
  startComponent(paths, spec, node, "containerd");
  await until(
    `containerd of ${name} answers (see ${logOf(paths, name, "containerd")})`,
    () => existsSync(`/proc/${pid}/root/run/containerd/containerd.sock`),
    BOOT_DEADLINE_MS,
  );
}

function networkScript(spec: ClusterSpec, node: NodePlan): string {
  const { dualStack } = spec;
  const others = nodePlans(spec.nodes).filter(({ name }) => name !== node.name);
  const six = [
    `ip -6 addr add ${node.address.v6}/${NODE_NET.v6} dev eth0 nodad`,
    `ip -6 route add default via ${CONTROL.v6}`,
    ...others.map(({ pods, address }) => `ip -6 route add ${pods.v6} via ${address.v6}`),
  ];
  return `cd /proc/sys/net
for f in all default; do echo 0 >ipv4/conf/$f/rp_filter; echo 0 >ipv6/conf/$f/accept_dad; done
echo 1 >ipv4/ip_forward
echo 1 >ipv6/conf/all/forwarding
ip addr add ${node.address.v4}/${NODE_NET.v4} dev eth0
ip link set eth0 up
ip route add default via ${CONTROL.v4}
${others.map(({ pods, address }) => `ip route add ${pods.v4} via ${address.v4}`).join("\n")}
${dualStack ? six.join("\n") : ""}`;
}

/** Command lines of a node's programs, inside of the node. */
function nodeCommand(component: NodeComponent, { name, address }: NodePlan, spec: ClusterSpec) {
  const ip = spec.dualStack ? `${address.v4},${address.v6}` : address.v4;
  const commands: Readonly<Record<NodeComponent, readonly string[]>> = {
    containerd: ["containerd", "-c", "/etc/containerd/config.toml"],
    kubelet: [
      `${PROGRAMS}/kubelet`,
      "--config=/etc/kubernetes/kubelet.yaml",
      "--kubeconfig=/etc/kubernetes/kubelet.kubeconfig",
      `--hostname-override=${name}`,
      `--node-ip=${ip}`,
    ],
    "kube-proxy": [`${PROGRAMS}/kube-proxy`, "--config=/etc/kubernetes/kube-proxy.yaml"],
  };
  return commands[component];
}

/** Starts one of a node's programs. */
export function startComponent(
  paths: ClusterPaths,
  spec: ClusterSpec,
  node: NodePlan,
  component: NodeComponent,
): void {
  const command = nodeCommand(component, node, spec);
  const entered = enterCommand(paths, node.name, component, command);
  startDetached(entered, logOf(paths, node.name, component));
}

/**
 * A command that runs another in a node: in its namespaces and in its cgroups, below `components/PROGRAM` of the
 * v2 one. Throws when the node does not run.
 */
export function enterCommand(
  paths: ClusterPaths,
  node: string,
  program: string,
  command: readonly string[],
): readonly string[] {
  const init = String(runningInit(paths, node));
  const v2 = componentCgroup(paths, node, program);
  mkdirSync(v2, { recursive: true });
  const v1 = hierarchies()
    .filter(({ kind }) => kind === "v1")
    .map(({ point }) => join(point, nodeCgroup(paths, node)));
  const enter = ["nsenter", "-t", init, "-n", "-m", "-u", "-i", "-p", "-C"];
  return inCgroups([...v1, v2], [...enter, ...command]);
}

/** Runs a command in a node to its end and returns what it printed; throws with its words. */
export async function inNode(
  paths: ClusterPaths,
  node: string,
  command: readonly string[],
): Promise<string> {
  const [file = "", ...args] = enterCommand(paths, node, "exec", command);
  return run(file, ...args);
}

/** Cuts a node's power: its process 1 is killed, and the kernel takes everything else of it at once. */
export async function killNode(paths: ClusterPaths, node: string): Promise<void> {
  process.kill(runningInit(paths, node), "SIGKILL");
  const root = join(v2Root(), nodeCgroup(paths, node));
  await until(`${node} is gone`, () => processesOf(root).length === 0, BOOT_DEADLINE_MS);
}

/** Where a node's program writes its log. */
export function logOf({ logs }: ClusterPaths, node: string, program: string): string {
  return join(logs, `${node}-${program}.log`);
}

function diskOf({ nodes }: ClusterPaths, node: string): string {
  return join(nodes, node);
}

function isThere(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
