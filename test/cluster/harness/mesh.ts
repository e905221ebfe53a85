/** The mesh in a test's cluster: installed as a user installs it, seen as a user sees it. */

import { join } from "node:path";
import type { V1Lease } from "@kubernetes/client-node";
import { ROOT } from "../../support/source-files.ts";
import { nodePlans } from "../plan.ts";
import { eventually, type TestCluster } from "./cluster.ts";

/** Where the mesh lives. */
export const MESH_NAMESPACE = "nodemesh";

const NODEMESH = join(ROOT, "bin/nodemesh");

/** Runs the `nodemesh` command against the cluster. */
export function nodemesh(cluster: TestCluster, ...args: readonly string[]): Promise<string> {
  return cluster.run(NODEMESH, args);
}

/** Installs the mesh, or changes what is installed, and waits until it is Ready everywhere. */
export async function installMesh(
  cluster: TestCluster,
  ...flags: readonly string[]
): Promise<void> {
  await cluster.apply(await nodemesh(cluster, "install", ...flags));
  await meshReady(cluster);
}

/** Waits until control is rolled out and each node has an agent that is Ready. */
export async function meshReady(cluster: TestCluster): Promise<void> {
  await cluster.rolledOut("deployment/nodemesh-control", MESH_NAMESPACE);
  await cluster.rolledOut("daemonset/nodemesh-agent", MESH_NAMESPACE);
  // What the DaemonSet says of itself is old news while its controller is away.
  const nodes = nodePlans(cluster.spec.nodes).map(({ name }) => name);
  await eventually(
    "each node has an agent that is Ready",
    async () => {
      const agents = await meshPods(cluster, "agent");
      return nodes.every((node) => agents.some((agent) => agent.node === node && agent.ready));
    },
    150_000,
  );
}

/** Removes the mesh as a user does. */
export async function uninstallMesh(cluster: TestCluster): Promise<void> {
  const manifests = await nodemesh(cluster, "uninstall");
  const kubectl = cluster.spec.programs["kubectl"] ?? "kubectl";
  await cluster.run(
    kubectl,
    ["delete", "--ignore-not-found", "--timeout=90s", "-f", "-"],
    manifests,
  );
}

/** A pod of the mesh itself. */
export interface MeshPod {
  readonly name: string;
  readonly node: string;
  readonly ready: boolean;
}

/** A component's pods that are not being deleted. */
export async function meshPods(
  cluster: TestCluster,
  component: "agent" | "control",
): Promise<readonly MeshPod[]> {
  const labelSelector = `app.kubernetes.io/component=${component}`;
  const pods = await cluster.pods(MESH_NAMESPACE, { labelSelector });
  return pods
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined)
    .map(({ metadata, spec, status }) => ({
      name: metadata?.name ?? "",
      node: spec?.nodeName ?? "",
      ready:
        status?.conditions?.some((one) => one.type === "Ready" && one.status === "True") ?? false,
    }));
}

/** Name of the agent's pod on a node. */
export async function agentOn(cluster: TestCluster, node: string): Promise<string> {
  const found = (await meshPods(cluster, "agent")).find((agent) => agent.node === node);
  if (found === undefined) throw new Error(`${node} has no agent`);
  return found.name;
}

/** A page of an agent's or a control's metrics port, through the API server. */
export function page(cluster: TestCluster, pod: string, path: string): Promise<string> {
  return cluster.ask(`/api/v1/namespaces/${MESH_NAMESPACE}/pods/${pod}:15020/proxy${path}`);
}

/** The value of a metric (name and labels as exported) on one agent; 0 when it has none. */
export async function agentMetric(
  cluster: TestCluster,
  node: string,
  series: string,
): Promise<number> {
  return sampleOf(await page(cluster, await agentOn(cluster, node), "/metrics"), series);
}

/** The sum of a metric over all agents. */
export async function meshMetric(cluster: TestCluster, series: string): Promise<number> {
  const pods = await meshPods(cluster, "agent");
  const pages = await Promise.all(pods.map(({ name }) => page(cluster, name, "/metrics")));
  return pages.reduce((sum, text) => sum + sampleOf(text, series), 0);
}

/** Sums the lines of an exposition that have that name and at least those labels (`name` or `name{a="b"}`). */
export function sampleOf(exposition: string, series: string): number {
  const [name = "", labels = ""] = series.replace(/\}$/, "").split("{");
  const wanted = labels === "" ? [] : labels.split(",");
  let sum = 0;
  for (const line of exposition.split("\n")) {
    if (!(line.startsWith(`${name} `) || line.startsWith(`${name}{`))) continue;
    if (wanted.every((label) => line.includes(label))) sum += Number(line.split(" ").at(-1));
  }
  return sum;
}

/** Connections of enrolled pods that the kernel has given to an agent, over all nodes. */
export function caught(cluster: TestCluster): Promise<number> {
  return meshMetric(cluster, 'nodemesh_kernel_events_total{event="outbound-caught"}');
}

/** The replica of control that leads; waits for one. */
export function leader(cluster: TestCluster): Promise<string> {
  return eventually("a leader", async () => {
    const args = ["lease", "nodemesh-control", "-n", MESH_NAMESPACE];
    const holder = (await cluster.get<V1Lease>(...args)).spec?.holderIdentity ?? "";
    const pods = await meshPods(cluster, "control");
    return pods.map(({ name }) => name).find((name) => holder.startsWith(`${name}_`));
  });
}
