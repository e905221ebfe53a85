/** The whole mesh at a glance. */

import { goldenSignals, refusals } from "./golden.ts";
import { type DashboardSpec, type Link, NO_PROBES, REPORTER, sumRate } from "./spec.ts";

const COUNTED = 'reporter="$reporter"';
const PAIR = "src_namespace, src_workload, dst_namespace, dst_workload";

const THIS_PAIR: Link = {
  title: "This pair",
  to: "nodemesh-pair",
  labels: {
    src_namespace: "src_namespace",
    src_workload: "src_workload",
    dst_namespace: "dst_namespace",
    dst_workload: "dst_workload",
  },
  chosen: { reporter: "reporter" },
};

/** The dashboard. */
export const MESH: DashboardSpec = {
  uid: "nodemesh-mesh",
  title: "nodemesh / Mesh",
  description:
    "Golden signals of all that the mesh carries, who talks to whom, and how the mesh itself is.",
  variables: [REPORTER],
  rows: [
    goldenSignals("All requests", "in the mesh", COUNTED),
    {
      title: "Who talks to whom",
      panels: [
        {
          title: "Busiest pairs",
          description:
            "The twenty pairs of workloads with the most requests. Click a row for the pair: its durations, errors and bytes.",
          kind: "table",
          unit: "reqps",
          width: 12,
          link: THIS_PAIR,
          queries: [
            {
              expr: `topk(20, ${sumRate("nodemesh_http_requests_total", `${COUNTED},${NO_PROBES}`, PAIR)})`,
              legend: "requests/s",
            },
          ],
        },
        {
          title: "Failing pairs",
          description:
            "The twenty pairs with the most requests that failed (5xx or no answer). An empty table is a good one.",
          kind: "table",
          unit: "reqps",
          width: 12,
          empty: "no request failed",
          link: THIS_PAIR,
          queries: [
            {
              expr: `topk(20, ${sumRate("nodemesh_http_requests_total", `${COUNTED},${NO_PROBES},code=~"5..|none"`, PAIR)} > 0)`,
              legend: "failures/s",
            },
          ],
        },
      ],
    },
    refusals(COUNTED),
    {
      title: "The mesh itself",
      panels: [
        {
          title: "Agents",
          description:
            "Agents that Prometheus reaches. Fewer than nodes: kubectl -n nodemesh-system get pods, nodemesh check.",
          kind: "stat",
          unit: "none",
          width: 4,
          queries: [{ expr: "count(nodemesh_workers)", legend: "agents" }],
        },
        {
          title: "Enrolled pods",
          description: "Pods whose traffic is redirected now. nodemesh status names them.",
          kind: "stat",
          unit: "none",
          width: 4,
          queries: [{ expr: "sum(nodemesh_enrolled_pods)", legend: "pods" }],
        },
        {
          title: "Oldest snapshot",
          description:
            "Seconds since the agent that heard least of control heard of it. Above 60: control is away or the agent cannot reach it; what is enrolled goes on as it was.",
          kind: "stat",
          unit: "s",
          width: 4,
          thresholds: [
            { from: 0, level: "good" },
            { from: 60, level: "warning" },
            { from: 300, level: "bad" },
          ],
          queries: [{ expr: "max(nodemesh_snapshot_age_seconds)", legend: "age" }],
        },
        {
          title: "Series without room",
          description:
            "Counts that found no series of their own, per second. Above 0: metrics of some pairs are only in the value overflow; nothing else is affected.",
          kind: "series",
          unit: "cps",
          width: 12,
          queries: [
            { expr: sumRate("nodemesh_series_overflowed_total", ""), legend: "overflowed" },
          ],
        },
      ],
    },
  ],
};
