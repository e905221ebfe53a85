/** `sim status`: everything at a glance, or as JSON. */

import { type Command, Option } from "commander";
import { jsonText } from "../../../control/cli/formats.ts";
import { table } from "../../../control/cli/table.ts";
import type { PodReport, StatusReport } from "../api/protocol.ts";
import type { DaemonState } from "../mesh/daemon.ts";
import { ask, type Terminal } from "./context.ts";

/** Adds the verb to the program. */
export function addStatus(program: Command, terminal: Terminal): void {
  program
    .command("status")
    .description("nodes, agents, pods and services of the simulation")
    .addOption(
      new Option("-o, --output <format>", "output format")
        .choices(["table", "json"])
        .default("table"),
    )
    .action(async (options: { output: string }, command: Command) => {
      const { status } = await ask(command, terminal, { verb: "status" });
      if (status === undefined) return;
      if (options.output === "json") terminal.out(jsonText(status));
      else for (const line of describe(status)) terminal.out(line);
    });
}

function describe(status: StatusReport): readonly string[] {
  const awaiting =
    status.awaiting === "" ? "everything is ready" : `waiting for ${status.awaiting}`;
  return [
    `simulation ${status.name}: ${awaiting}`,
    ...(status.prometheus === undefined ? [] : [`Prometheus: ${status.prometheus}`]),
    "",
    ...meshLines(status),
    ...table(
      ["POD", "NODE", "READY", "STATUS", "RESTARTS", "ADDRESSES", "MESH"],
      status.pods.map((pod) => [
        `${pod.namespace}/${pod.name}`,
        pod.node,
        pod.ready ? "yes" : "no",
        pod.terminating
          ? "Terminating"
          : pod.phase + (pod.message === undefined ? "" : `: ${pod.message}`),
        String(pod.restarts),
        pod.addresses.join(" "),
        meshCell(pod),
      ]),
    ),
    "",
    ...table(
      ["SERVICE", "CLUSTER-IPS", "PORTS", "READY ENDPOINTS"],
      status.services.map((service) => [
        `${service.namespace}/${service.name}`,
        service.clusterIPs.join(" "),
        service.ports.join(" "),
        String(service.readyEndpoints.length),
      ]),
    ),
  ];
}

/** Whether the pod is in the mesh, and what its agent has to say about that. */
function meshCell({ enrolled, path, ready, agentDetail }: PodReport): string {
  if (!enrolled) return "-";
  if (agentDetail === undefined) return `enrolled (${path})`;
  // A pod that has not begun or has ended has no network that could be set up.
  const trouble = path === "direct" && ready ? "could not be set up: " : "";
  return `enrolled (${path}; ${trouble}${agentDetail})`;
}

function meshLines(status: StatusReport): readonly string[] {
  if (status.control === undefined) return ["no mesh (--no-mesh)", ""];
  const rows = status.agents.map((agent) => [
    `agent/${agent.node}`,
    describeProcess(agent.process),
    agent.ready ? "ready" : `waiting for ${agent.awaiting}`,
    agent.snapshotVersion === undefined ? "-" : String(agent.snapshotVersion),
    status.nodes.find((node) => node.name === agent.node)?.metrics ?? "-",
  ]);
  const control = ["control", describeProcess(status.control), "-", "-", "-"];
  return [...table(["PROCESS", "STATE", "READY", "SNAPSHOT", "METRICS"], [control, ...rows]), ""];
}

function describeProcess(state: DaemonState): string {
  const restarts = state.restarts === 0 ? "" : `, ${state.restarts} restarts`;
  switch (state.kind) {
    case "running":
      return `running, pid ${state.pid}${restarts}`;
    case "restarting":
      return `restarting after ${state.exit || "its end"}${restarts}`;
    case "stopped":
      return `stopped${restarts}`;
  }
}
