/** One workload's traffic to another. */

import { goldenSignals, refusals } from "./golden.ts";
import { type DashboardSpec, durations, REPORTER, sumRate, type VariableSpec } from "./spec.ts";
import { whoseTime } from "./ways.ts";

const ENDS =
  'src_namespace="$src_namespace",src_workload="$src_workload",dst_namespace="$dst_namespace",dst_workload="$dst_workload"';
const COUNTED = `reporter="$reporter",${ENDS}`;

function chosen(name: string, label: string, before: string): VariableSpec {
  const metric = `nodemesh_http_requests_total{${before}}`;
  return { kind: "query", name, label, metric, of: name, several: false };
}

/** The dashboard. */
export const PAIR: DashboardSpec = {
  uid: "nodemesh-pair",
  title: "nodemesh / Pair",
  description: "What one workload sends to another, as both their agents count it.",
  variables: [
    REPORTER,
    chosen("src_namespace", "From namespace", 'reporter="$reporter",src_namespace!=""'),
    chosen("src_workload", "From workload", 'reporter="$reporter",src_namespace="$src_namespace"'),
    chosen(
      "dst_namespace",
      "To namespace",
      'reporter="$reporter",src_namespace="$src_namespace",src_workload="$src_workload"',
    ),
    chosen(
      "dst_workload",
      "To workload",
      'reporter="$reporter",src_namespace="$src_namespace",src_workload="$src_workload",dst_namespace="$dst_namespace"',
    ),
  ],
  rows: [
    goldenSignals("The pair", "of this pair", COUNTED),
    whoseTime(ENDS),
    {
      title: "Both views",
      panels: [
        {
          title: "Seen from the client's node",
          description:
            "Durations as the client's agent measures them: application, network and both agents.",
          kind: "series",
          unit: "s",
          width: 12,
          empty: "the client is not enrolled",
          queries: durations(`reporter="source",${ENDS}`),
        },
        {
          title: "Seen from the server's node",
          description:
            "Durations as the server's agent measures them: the application alone. What the left panel has more is the network between, or the mesh.",
          kind: "series",
          unit: "s",
          width: 12,
          empty: "the server is not enrolled",
          queries: durations(`reporter="destination",${ENDS}`),
        },
        {
          title: "Security",
          description:
            "How the requests travelled: mtls, local (they never left the node) or none.",
          kind: "series",
          unit: "reqps",
          width: 12,
          queries: [
            {
              expr: sumRate("nodemesh_http_requests_total", COUNTED, "security, path"),
              legend: "{{security}} by {{path}}",
            },
          ],
        },
        {
          title: "Services",
          description:
            "By which Service the requests came. Empty: the pods were dialled themselves.",
          kind: "series",
          unit: "reqps",
          width: 12,
          queries: [
            {
              expr: sumRate("nodemesh_http_requests_total", COUNTED, "dst_service"),
              legend: "{{dst_service}}",
            },
          ],
        },
      ],
    },
    refusals(COUNTED),
  ],
};
