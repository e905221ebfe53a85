/** How `nodemesh status` shows its report to people. Pure. */

import { visible } from "#model/visible.ts";
import { table } from "../table.ts";
import type { StatusReport, Summary, Unseen } from "./report.ts";

/** A report, or some of it: what is not there is not shown. */
type Shown = Pick<StatusReport, "control" | "agents" | "pods"> & Partial<StatusReport>;

/** Tables of control, agents by node, and pods; remarks on the first two; what could not be seen; the numbers. */
export function statusLines(report: Shown): readonly string[] {
  const { control, agents, pods, unseen = [], summary } = report;
  const parts = [
    control.length === 0 ? [] : controlLines(control),
    agents.length === 0 ? [] : agentLines(agents),
    podLines(pods),
    remarks(report),
    unseen.map(unseenLine),
    summary === undefined ? [] : [summaryLine(summary)],
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .flatMap((lines, at) => [...(at > 0 ? [""] : []), ...lines.map(visible)]);
}

function controlLines(control: StatusReport["control"]): readonly string[] {
  return table(
    ["CONTROL", "READY", "LEADER", "SNAPSHOT"],
    control.map((one) => [
      one.pod,
      yes(one.ready),
      one.leader === undefined ? "-" : yes(one.leader),
      String(one.snapshotVersion ?? "-"),
    ]),
  );
}

/** Replicas count their snapshots apart: beside an agent's number is whose it is. */
function agentLines(agents: StatusReport["agents"]): readonly string[] {
  return table(
    ["NODE", "AGENT", "READY", "VERSION", "SNAPSHOT", "OF", "AGE"],
    agents.map((one) => [
      one.node,
      one.pod ?? "-",
      yes(one.ready),
      one.version ?? "-",
      String(one.snapshotVersion ?? "-"),
      one.snapshotOf ?? "-",
      one.snapshotAgeSeconds === undefined ? "-" : `${Math.round(one.snapshotAgeSeconds)} s`,
    ]),
  );
}

function podLines(pods: StatusReport["pods"]): readonly string[] {
  if (pods.length === 0) return ["no such pods there; -A shows those of all namespaces"];
  return table(
    ["POD", "NODE", "READY", "STATUS", "ADDRESSES", "MESH", "REMARKS"],
    pods.map((pod) => [
      `${pod.namespace}/${pod.name}`,
      pod.node || "-",
      yes(pod.ready),
      pod.phase,
      pod.addresses.join(" ") || "-",
      pod.enrolled ? `enrolled (${pod.path})` : "-",
      pod.why,
    ]),
  );
}

/** Texts of any length, so below the tables. An agent that is ready may still not be heard: both are told. */
function remarks({ control, agents }: Shown): readonly string[] {
  const all = [
    ...control.map(({ pod, ready, problem }) => ({ subject: `pod/${pod}`, ready, problem })),
    ...agents.map(({ node, ready, problem }) => ({ subject: `node/${node}`, ready, problem })),
  ];
  return all
    .filter(({ problem }) => problem !== "")
    .map(({ subject, ready, problem }) => `${subject}: ${ready ? "ready, but: " : ""}${problem}`);
}

function unseenLine({ what, effect }: Unseen): string {
  return `not seen, for you may not: ${what}; ${effect}`;
}

function summaryLine({ pods, enrolled, proxied, control, agents }: Summary): string {
  const outside = enrolled - proxied;
  return [
    `${pods} pods, ${enrolled} enrolled`,
    ...(outside > 0 ? [`${outside} of these not through the proxy`] : []),
    ...(control.all > 0 ? [`control ${control.ready} of ${control.all} ready`] : []),
    ...(agents.all > 0 ? [`agents ${agents.ready} of ${agents.all} ready`] : []),
  ].join(", ");
}

function yes(value: boolean): string {
  return value ? "yes" : "no";
}
