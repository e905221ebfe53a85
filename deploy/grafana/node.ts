/** Agents, one per node: what they cost and how they are. */

import { type DashboardSpec, rate, sumRate } from "./spec.ts";
import { leastRoundTrip, losses, waits } from "./ways.ts";

const AGENT = 'instance=~"$agent"';

/** The dashboard. */
export const NODE: DashboardSpec = {
  uid: "nodemesh-node",
  title: "nodemesh / Node",
  description: "What the agents cost and carry, and what their eBPF programs decide.",
  variables: [
    {
      kind: "query",
      name: "agent",
      label: "Agent",
      metric: "nodemesh_workers",
      of: "instance",
      several: true,
    },
  ],
  rows: [
    {
      title: "Cost",
      panels: [
        {
          title: "CPU",
          description:
            "Cores that each agent uses. It is the work of all its pods' connections: compare with Requests before giving it more.",
          kind: "series",
          unit: "short",
          width: 8,
          queries: [{ expr: rate("process_cpu_seconds_total", AGENT), legend: "{{instance}}" }],
        },
        {
          title: "Memory",
          description:
            "Resident memory of each agent. Near the container's limit: fewer connections per pod, or more memory (docs/reference.md, limits).",
          kind: "series",
          unit: "bytes",
          width: 8,
          queries: [{ expr: `process_resident_memory_bytes{${AGENT}}`, legend: "{{instance}}" }],
        },
        {
          title: "Open descriptors",
          description:
            "File descriptors in use. Near the limit (process_max_fds) the agent refuses connections with the reason descriptor-limit.",
          kind: "series",
          unit: "short",
          width: 8,
          queries: [{ expr: `process_open_fds{${AGENT}}`, legend: "{{instance}}" }],
        },
      ],
    },
    {
      title: "Work",
      panels: [
        {
          title: "Requests",
          description: "HTTP requests per second that each agent carries, both sides.",
          kind: "series",
          unit: "reqps",
          width: 8,
          queries: [
            {
              expr: sumRate("nodemesh_http_requests_total", AGENT, "instance"),
              legend: "{{instance}}",
            },
          ],
        },
        {
          title: "Open connections",
          description: "Connections of applications that each agent carries now, both sides.",
          kind: "series",
          unit: "short",
          width: 8,
          queries: [
            {
              expr: `sum by (instance) (nodemesh_tcp_connections_opened_total{${AGENT}}) - sum by (instance) (nodemesh_tcp_connections_closed_total{${AGENT}})`,
              legend: "{{instance}}",
            },
          ],
        },
        {
          title: "Refusals",
          description: "What each agent refused or cut, by reason (docs/reference.md).",
          kind: "series",
          unit: "ops",
          width: 8,
          empty: "nothing was refused",
          queries: [
            {
              expr: sumRate("nodemesh_refused_total", AGENT, "instance, reason"),
              legend: "{{instance}} {{reason}}",
            },
          ],
        },
        {
          title: "Kernel",
          description:
            "Connections by what the eBPF programs decided (docs/metrics.md has every event). outbound-dead-direct and inbound-dead-direct: the agent was away and the connection passed without the mesh.",
          kind: "series",
          unit: "cps",
          width: 24,
          queries: [
            {
              expr: `${sumRate("nodemesh_kernel_events_total", AGENT, "event")} > 0`,
              legend: "{{event}}",
            },
          ],
        },
      ],
    },
    {
      title: "Ways to and from the nodes",
      panels: [
        {
          title: "Round trips",
          description:
            "Least round trips to the endpoints of each node's pods, as its kernel measures them: the way alone. One node above the others: look at its link.",
          kind: "series",
          unit: "s",
          width: 8,
          empty: "no pod reached an endpoint",
          queries: [
            {
              expr: leastRoundTrip(`${AGENT},reporter="source",leg="server"`, "instance"),
              legend: "{{instance}}",
            },
          ],
        },
        losses(AGENT, ["instance", "leg"], 8),
        waits(AGENT, "instance", 8),
      ],
    },
    {
      title: "Health",
      panels: [
        {
          title: "Enrolled pods",
          description: "Pods of each node whose traffic is redirected now.",
          kind: "series",
          unit: "short",
          width: 8,
          queries: [{ expr: `nodemesh_enrolled_pods{${AGENT}}`, legend: "{{instance}}" }],
        },
        {
          title: "Snapshot's age",
          description:
            "Seconds since control was last heard. It rises while control is away; the node goes on with what it knows.",
          kind: "series",
          unit: "s",
          width: 8,
          queries: [{ expr: `nodemesh_snapshot_age_seconds{${AGENT}}`, legend: "{{instance}}" }],
        },
        {
          title: "Main thread's delay",
          description:
            "p99 of how late the agent's main thread is. It carries nothing, but it enrols pods and answers Prometheus: above 0.1 s the node has too little CPU.",
          kind: "series",
          unit: "s",
          width: 8,
          queries: [{ expr: `nodejs_eventloop_lag_p99_seconds{${AGENT}}`, legend: "{{instance}}" }],
        },
        {
          title: "Access-log lines lost",
          description: "Lines per second that came faster than they could be written: sample less.",
          kind: "series",
          unit: "cps",
          width: 12,
          queries: [
            {
              expr: rate("nodemesh_access_log_dropped_total", AGENT),
              legend: "{{instance}}",
            },
          ],
        },
        {
          title: "Snapshot's version",
          description:
            "What each agent has in force. An agent that stays behind says why in its log.",
          kind: "series",
          unit: "none",
          width: 12,
          queries: [{ expr: `nodemesh_snapshot_version{${AGENT}}`, legend: "{{instance}}" }],
        },
      ],
    },
  ],
};
