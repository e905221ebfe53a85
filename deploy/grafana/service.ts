/** One Service: its golden signals, its clients, its endpoints. */

import { goldenSignals, refusals } from "./golden.ts";
import { type DashboardSpec, NO_PROBES, REPORTER, sumRate } from "./spec.ts";

const COUNTED = 'reporter="$reporter",dst_service="$service"';

/** The dashboard. */
export const SERVICE: DashboardSpec = {
  uid: "nodemesh-service",
  title: "nodemesh / Service",
  description:
    "One Service as its clients see it: signals, clients, workloads behind it, endpoints.",
  variables: [
    REPORTER,
    {
      kind: "query",
      name: "service",
      label: "Service",
      metric: "nodemesh_http_requests_total",
      of: "dst_service",
      several: false,
    },
  ],
  rows: [
    goldenSignals("The Service", "to this Service", COUNTED),
    {
      title: "Clients and workloads",
      panels: [
        {
          title: "Requests by client",
          description:
            "Who calls the Service. unknown: clients outside the mesh whose address no pod has.",
          kind: "series",
          unit: "reqps",
          width: 12,
          queries: [
            {
              expr: sumRate(
                "nodemesh_http_requests_total",
                `${COUNTED},${NO_PROBES}`,
                "src_namespace, src_workload",
              ),
              legend: "{{src_namespace}}/{{src_workload}}",
            },
          ],
        },
        {
          title: "Requests by workload",
          description:
            "Which workloads behind the Service answer: two at a time while a rollout or a canary goes on. unknown: nobody was reached.",
          kind: "series",
          unit: "reqps",
          width: 12,
          queries: [
            {
              expr: sumRate(
                "nodemesh_http_requests_total",
                `${COUNTED},${NO_PROBES}`,
                "dst_workload",
              ),
              legend: "{{dst_workload}}",
            },
          ],
        },
      ],
    },
    {
      title: "Endpoints",
      panels: [
        {
          title: "Endpoints by state",
          description:
            "Endpoints as the agents that use the Service see them, the mean of all. ejected: it failed too often and rests for a while; draining: its pod is terminating.",
          kind: "series",
          unit: "short",
          width: 12,
          empty: "no enrolled client uses the Service",
          queries: [
            {
              expr: 'avg by (port, state) (nodemesh_endpoint_state{dst_service="$service"})',
              legend: "port {{port}}: {{state}}",
            },
          ],
        },
        {
          title: "Tries at another endpoint",
          description:
            "Requests and connections that were tried elsewhere after an endpoint failed. no-budget: more than a fifth of all would have been repeated, so they were not.",
          kind: "series",
          unit: "ops",
          width: 6,
          empty: "nothing had to be repeated",
          queries: [
            {
              expr: sumRate("nodemesh_retries_total", 'dst_service="$service"', "result"),
              legend: "{{result}}",
            },
          ],
        },
        {
          title: "Past the mesh",
          description:
            "Connections that went to the Service's ClusterIP because control was away and no known endpoint answered. Above 0: bring control back.",
          kind: "series",
          unit: "ops",
          width: 6,
          empty: "control is there",
          queries: [
            {
              expr: sumRate("nodemesh_cluster_ip_fallbacks_total", 'dst_service="$service"'),
              legend: "to the ClusterIP",
            },
          ],
        },
      ],
    },
    refusals(COUNTED),
    {
      title: "Slowest clients",
      panels: [
        {
          title: "p99 by client",
          description:
            "Which client waits longest. One alone: look at its node and at the network between.",
          kind: "series",
          unit: "s",
          width: 24,
          queries: [
            {
              expr: `histogram_quantile(0.99, ${sumRate("nodemesh_http_request_duration_seconds_bucket", `${COUNTED},${NO_PROBES}`, "le, src_namespace, src_workload")})`,
              legend: "{{src_namespace}}/{{src_workload}}",
            },
          ],
        },
      ],
    },
  ],
};
