/** Control: what it knows, what it tells the agents, and how well it follows the API. */

import { type DashboardSpec, rate, sumRate } from "./spec.ts";

const REPLICA = 'instance=~"$replica"';

/** The dashboard. */
export const CONTROL: DashboardSpec = {
  uid: "nodemesh-control",
  title: "nodemesh / Control",
  description:
    "What control knows, what the agents took of it, and how well it follows the API server.",
  variables: [
    {
      kind: "query",
      name: "replica",
      label: "Replica",
      metric: "nodemesh_control_snapshot_version",
      of: "instance",
      several: true,
    },
  ],
  rows: [
    {
      title: "Agents",
      panels: [
        {
          title: "Agents by state",
          description:
            "current: connected and on the newest version. behind for longer than a minute: see Acks, and the agent's log.",
          kind: "series",
          unit: "short",
          width: 8,
          queries: [
            { expr: `sum by (state) (nodemesh_control_agents{${REPLICA}})`, legend: "{{state}}" },
          ],
        },
        {
          title: "Acks",
          description:
            "Answers of agents to what they were sent. refused: an agent found something wrong in it; nodemesh check names the field.",
          kind: "series",
          unit: "ops",
          width: 8,
          queries: [
            {
              expr: sumRate("nodemesh_control_acks_total", REPLICA, "verdict"),
              legend: "{{verdict}}",
            },
          ],
        },
        {
          title: "Agents not admitted",
          description:
            "Who asked to be an agent and was not believed, by reason. Above 0 for long: look at control's log, somebody tries.",
          kind: "series",
          unit: "ops",
          width: 8,
          empty: "all were admitted",
          queries: [
            {
              expr: sumRate("nodemesh_control_agents_refused_total", REPLICA, "reason"),
              legend: "{{reason}}",
            },
          ],
        },
      ],
    },
    {
      title: "What it makes of the cluster",
      panels: [
        {
          title: "Snapshot's version",
          description: "Newest published version of each replica.",
          kind: "series",
          unit: "none",
          width: 8,
          queries: [
            { expr: `nodemesh_control_snapshot_version{${REPLICA}}`, legend: "{{instance}}" },
          ],
        },
        {
          title: "Time to compile",
          description:
            "p99 of the time from a change to its publication. Above 0.1 s: more CPU for control.",
          kind: "series",
          unit: "s",
          width: 8,
          queries: [
            {
              expr: `histogram_quantile(0.99, ${sumRate("nodemesh_control_compile_duration_seconds_bucket", REPLICA, "le")})`,
              legend: "p99",
            },
          ],
        },
        {
          title: "Failed compilations",
          description:
            "Above 0: a bug of nodemesh. What was published before stays in force; please report it with control's log.",
          kind: "series",
          unit: "ops",
          width: 8,
          queries: [
            { expr: sumRate("nodemesh_control_compile_failures_total", REPLICA), legend: "failed" },
          ],
        },
        {
          title: "Objects",
          description: "Objects that control knows, by kind.",
          kind: "series",
          unit: "short",
          width: 12,
          queries: [
            { expr: `max by (kind) (nodemesh_control_objects{${REPLICA}})`, legend: "{{kind}}" },
          ],
        },
        {
          title: "Problems of objects",
          description:
            "Conditions by reason: each object has an Event that says what to change, and nodemesh check lists them.",
          kind: "series",
          unit: "short",
          width: 12,
          empty: "no object has a problem",
          queries: [
            {
              expr: `max by (reason) (nodemesh_control_conditions{${REPLICA}})`,
              legend: "{{reason}}",
            },
          ],
        },
      ],
    },
    {
      title: "The API server",
      panels: [
        {
          title: "Leader",
          description:
            "1 = the replica that writes Events and statuses. None for longer than 30 s: see control's log.",
          kind: "series",
          unit: "none",
          width: 8,
          queries: [{ expr: `nodemesh_control_leader{${REPLICA}}`, legend: "{{instance}}" }],
        },
        {
          title: "Kinds that are not followed",
          description:
            "1 = a kind of object cannot be followed now: control's log says why. What is known of it stays in force.",
          kind: "series",
          unit: "none",
          width: 8,
          empty: "all are followed",
          queries: [
            {
              expr: `max by (resource) (nodemesh_control_api_trouble{${REPLICA}}) > 0`,
              legend: "{{resource}}",
            },
          ],
        },
        {
          title: "Complete lists",
          description:
            "Lists of a whole kind per second: one at the start, more when watches cannot go on. Many cost the API server much.",
          kind: "series",
          unit: "ops",
          width: 8,
          queries: [
            {
              expr: sumRate("nodemesh_control_lists_total", REPLICA, "resource"),
              legend: "{{resource}}",
            },
          ],
        },
        {
          title: "CPU",
          description: "Cores that each replica uses.",
          kind: "series",
          unit: "short",
          width: 12,
          queries: [{ expr: rate("process_cpu_seconds_total", REPLICA), legend: "{{instance}}" }],
        },
        {
          title: "Memory",
          description: "Resident memory of each replica.",
          kind: "series",
          unit: "bytes",
          width: 12,
          queries: [{ expr: `process_resident_memory_bytes{${REPLICA}}`, legend: "{{instance}}" }],
        },
      ],
    },
  ],
};
