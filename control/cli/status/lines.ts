/** How `nodemesh status` shows its report to people. Pure. */

import { table } from "../table.ts";
import type { AgentReport, StatusReport } from "./report.ts";

/** Three tables: control, agents by node, pods. */
export function statusLines({ control, agents, pods }: StatusReport): readonly string[] {
  return [
    ...table(
      ["CONTROL", "READY", "LEADER", "SNAPSHOT"],
      control.map((one) => [
        one.pod,
        one.ready ? "yes" : "no",
        one.leader === undefined ? one.problem || "-" : one.leader ? "yes" : "no",
        String(one.snapshotVersion ?? "-"),
      ]),
    ),
    "",
    ...table(
      ["NODE", "AGENT", "READY", "VERSION", "SNAPSHOT", "AGE"],
      agents.map((one) => [
        one.node,
        one.pod ?? "-",
        readiness(one),
        one.version ?? "-",
        String(one.snapshotVersion ?? "-"),
        one.snapshotAgeSeconds === undefined ? "-" : `${Math.round(one.snapshotAgeSeconds)} s`,
      ]),
    ),
    "",
    ...podLines(pods),
  ];
}

function podLines(pods: StatusReport["pods"]): readonly string[] {
  if (pods.length === 0) return ["no pods there; -A shows those of all namespaces"];
  return table(
    ["POD", "NODE", "READY", "STATUS", "ADDRESSES", "MESH", "REMARKS"],
    pods.map((pod) => [
      `${pod.namespace}/${pod.name}`,
      pod.node || "-",
      pod.ready ? "yes" : "no",
      pod.phase,
      pod.addresses.join(" ") || "-",
      pod.enrolled ? `enrolled (${pod.path})` : "-",
      pod.why,
    ]),
  );
}

/** An agent that is ready may still not be heard: both are told. */
function readiness({ ready, problem }: AgentReport): string {
  if (!ready) return problem || "no";
  return problem === "" ? "ready" : `ready, but: ${problem}`;
}
