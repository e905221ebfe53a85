/** The network namespace of the control plane: the nodes' bridge, and the one link to the machine's main namespace. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { processesOf } from "../../../deploy/sim/cgroups.ts";
import { until } from "../../support/until.ts";
import { v2Root } from "../cgroups.ts";
import { CONTROL, NODE_NET, nodePlans, outsideLink } from "../plan.ts";
import { inCgroups, processNamed, run, startDetached } from "../processes.ts";
import type { ClusterPaths, ClusterSpec } from "../spec.ts";

const BRIDGE = "br0";
/**
 * The bridge's Ethernet address. Left alone it takes the lowest of its ports: a node that goes could then change it, and the
 * others' kubelets would send to the old one, unanswered, until their neighbour entries expire, and be NotReady too.
 */
const BRIDGE_ADDRESS = "02:00:0a:c8:00:01";
/** The link's name inside; outside it is the cluster's own. */
const OUTSIDE = "outside";

/** The v2 cgroup of one program of the control plane. */
export function controlCgroup({ cgroup }: ClusterPaths, program: string): string {
  return join(v2Root(), cgroup, "control", program);
}

/** The process that keeps the control plane's network namespace. Throws when the cluster does not run. */
export function keeperOf(paths: ClusterPaths): number {
  const pid = livingKeeper(paths);
  if (pid === undefined)
    throw new Error(
      `cluster "${paths.name}" does not run: npm run cluster -- --name ${paths.name} up`,
    );
  return pid;
}

/** The same; undefined when the cluster does not run. */
export function livingKeeper(paths: ClusterPaths): number | undefined {
  return processNamed("pause", processesOf(controlCgroup(paths, "keeper")));
}

/** Runs a shell script in the control plane's network namespace. */
export async function inControl(paths: ClusterPaths, script: string): Promise<string> {
  const keeper = String(keeperOf(paths));
  return run("nsenter", "-t", keeper, "-n", "/bin/sh", "-ec", script);
}

/** Makes the namespace, the bridge and the link. `pause` is a program that waits for ever. */
export async function makeControlNetwork(
  paths: ClusterPaths,
  spec: ClusterSpec,
  pause: string,
): Promise<void> {
  const cgroup = controlCgroup(paths, "keeper");
  mkdirSync(cgroup, { recursive: true });
  startDetached(inCgroups([cgroup], ["unshare", "--net", pause]), join(paths.logs, "keeper.log"));
  await until("the control plane's network namespace", () => livingKeeper(paths) !== undefined);
  const keeper = String(keeperOf(paths));
  const { main, cluster } = outsideLink(spec.slot);
  await run("/bin/sh", "-ec", mainScript(paths.link, keeper, main));
  await inControl(paths, controlScript(spec, cluster));
}

function mainScript(link: string, keeper: string, address: string): string {
  return `ip link add ${link} type veth peer name ${OUTSIDE} netns ${keeper}
ip link set ${link} addrgenmode none
ip addr add ${address}/30 dev ${link}
ip link set ${link} up`;
}

function controlScript(spec: ClusterSpec, outside: string): string {
  const routes = nodePlans(spec.nodes).flatMap(({ pods, address }) => [
    `ip route add ${pods.v4} via ${address.v4}`,
    ...(spec.dualStack ? [`ip -6 route add ${pods.v6} via ${address.v6}`] : []),
  ]);
  return `ip link set lo up
ip link add ${BRIDGE} address ${BRIDGE_ADDRESS} type bridge
ip addr add ${CONTROL.v4}/${NODE_NET.v4} dev ${BRIDGE}
ip link set ${BRIDGE} up
ip -6 addr add ${CONTROL.v6}/${NODE_NET.v6} dev ${BRIDGE} nodad
ip addr add ${outside}/30 dev ${OUTSIDE}
ip link set ${OUTSIDE} up
${routes.join("\n")}
# What nodes send to anywhere else is refused at once instead of getting lost, and never reaches the machine.
ip rule add pref 10 iif ${BRIDGE} unreachable
ip -6 rule add pref 10 iif ${BRIDGE} unreachable
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/ipv6/conf/all/forwarding`;
}

/** A node's port on the bridge: its link into the node's namespace, made anew. */
export async function plugNode(paths: ClusterPaths, node: string, init: number): Promise<void> {
  await inControl(
    paths,
    `ip link del ${node} 2>/dev/null || true
ip link add ${node} type veth peer name eth0 netns ${init}
ip link set ${node} master ${BRIDGE} up`,
  );
}

/**
 * A script that drops everything from and to a node for some seconds, carrier left on, and lets it through again
 * however it ends (but for SIGKILL).
 */
export function partitionScript(node: string, seconds: number): string {
  const cut = `ip link set dev ${node} nomaster`;
  const join = `ip link set dev ${node} master ${BRIDGE}`;
  return `trap '${join}' EXIT; trap 'exit 1' TERM INT HUP; ${cut}; sleep ${seconds}`;
}
