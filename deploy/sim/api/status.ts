/** What `sim status` reports, gathered from the objects, the kubelets and the mesh's processes. */

import { join } from "node:path";
import type { Pod } from "../../../control/k8s/api/pod.ts";
import { isReady } from "../cluster/endpoints.ts";
import type { AgentView } from "../mesh/agent-admin.ts";
import { AGENT_METRICS_PORT } from "../mesh/mesh.ts";
import type { NodePlan } from "../net/plan.ts";
import { nodePaths } from "../paths.ts";
import type { Simulation } from "../simulation.ts";
import type { NodeStatus, PodReport, ServiceReport, StatusReport } from "./protocol.ts";

/** The report, as of now. */
export async function reportStatus(sim: Simulation): Promise<StatusReport> {
  const control = sim.mesh?.controlState();
  const agents = (await sim.mesh?.agents()) ?? [];
  const views = await sim.agentViews();
  const enrolled = sim.enrolled();
  return {
    name: sim.sim.name,
    awaiting: await sim.awaited(),
    directory: sim.sim.root,
    cgroup: sim.sim.cgroup,
    ...(control === undefined ? {} : { control }),
    ...(sim.prometheus === undefined ? {} : { prometheus: sim.prometheus.url }),
    nodes: sim.cluster.nodes.map((node) => nodeStatus(sim, node)),
    agents: agents.map((agent) => ({
      ...agent,
      ...(views.has(agent.node) && { kernelEvents: views.get(agent.node)?.kernelEvents }),
    })),
    pods: sim.cluster.pods().map((pod) =>
      podReport(sim, pod, {
        enrolled: enrolled.has(pod.metadata.uid),
        mesh: sim.mesh !== undefined,
        view: views.get(pod.spec.nodeName),
      }),
    ),
    services: serviceReports(sim),
  };
}

function nodeStatus(sim: Simulation, node: NodePlan): NodeStatus {
  const paths = nodePaths(sim.sim, node.name);
  const mesh = {
    metrics: `http://${node.address.ipv4}:${AGENT_METRICS_PORT}/metrics`,
    adminSocket: paths.agentAdmin,
    log: paths.agentLog,
  };
  return {
    name: node.name,
    addresses: [node.address.ipv4, node.address.ipv6],
    netns: paths.netns,
    cgroup: paths.cgroup,
    ...(sim.mesh === undefined ? {} : mesh),
  };
}

function podReport(sim: Simulation, pod: Pod, circumstances: Circumstances): PodReport {
  const { name, namespace, uid } = pod.metadata;
  const paths = nodePaths(sim.sim, pod.spec.nodeName);
  const status = sim.cluster.runner(uid)?.status();
  return {
    namespace,
    name,
    uid,
    node: pod.spec.nodeName,
    phase: pod.status.phase,
    ready: isReady(pod),
    terminating: pod.metadata.deletionTimestamp !== undefined,
    restarts: sim.cluster.runner(uid)?.restarts ?? 0,
    addresses: pod.status.podIPs.map(({ ip }) => ip),
    enrolled: circumstances.enrolled,
    ...pathOf(pod, circumstances),
    netns: join(paths.pods, uid),
    cgroup: join(paths.cgroup, `pod-${uid}`),
    ...(status?.message === undefined ? {} : { message: status.message }),
  };
}

interface Circumstances {
  readonly enrolled: boolean;
  readonly mesh: boolean;
  /** Absent: the node's agent does not answer. */
  readonly view: AgentView | undefined;
}

/** Where the pod's new connections go, by its agent's own word. */
function pathOf(
  pod: Pod,
  { enrolled, mesh, view }: Circumstances,
): Pick<PodReport, "path" | "agentState" | "agentDetail"> {
  if (view === undefined) return { path: enrolled && mesh ? "unknown" : "direct" };
  const seen = view.pods.find(({ uid }) => uid === pod.metadata.uid);
  if (seen === undefined) return { path: "direct" };
  return {
    path: seen.state === "caught" ? "proxy" : "direct",
    agentState: seen.state,
    ...(seen.detail === "" ? {} : { agentDetail: seen.detail }),
  };
}

function serviceReports(sim: Simulation): readonly ServiceReport[] {
  const slices = sim.cluster.store.list("EndpointSlice");
  return sim.cluster.store.list("Service").map((service) => {
    const { name, namespace } = service.metadata;
    const own = slices.filter(
      ({ metadata }) =>
        metadata.namespace === namespace && metadata.labels["kubernetes.io/service-name"] === name,
    );
    const ready = own.flatMap((slice) =>
      slice.endpoints
        .filter((endpoint) => endpoint.conditions.ready !== false)
        .flatMap((endpoint) => endpoint.addresses),
    );
    return {
      namespace,
      name,
      clusterIPs: service.spec.clusterIP === "None" ? ["None"] : service.spec.clusterIPs,
      ports: service.spec.ports.map((port) => `${port.port}/${port.protocol}`),
      readyEndpoints: ready,
    };
  });
}
