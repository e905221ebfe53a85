/** One workload: what comes to it and what it asks of others. */

import { goldenSignals, refusals } from "./golden.ts";
import { type DashboardSpec, type Link, NO_PROBES, sumRate } from "./spec.ts";
import { leastRoundTrip, losses, roundTrips, untilHead, waits } from "./ways.ts";

const COMES = 'reporter="destination",dst_namespace="$namespace",dst_workload="$workload"';
const GOES = 'reporter="source",src_namespace="$namespace",src_workload="$workload"';

const PAIR_IN: Link = {
  title: "This pair",
  to: "nodemesh-pair",
  labels: { src_namespace: "src_namespace", src_workload: "src_workload" },
  chosen: { dst_namespace: "namespace", dst_workload: "workload" },
};
const PAIR_OUT: Link = {
  title: "This pair",
  to: "nodemesh-pair",
  labels: { dst_namespace: "dst_namespace", dst_workload: "dst_workload" },
  chosen: { src_namespace: "namespace", src_workload: "workload" },
};

/** The dashboard. */
export const WORKLOAD: DashboardSpec = {
  uid: "nodemesh-workload",
  title: "nodemesh / Workload",
  description: "One workload: the requests that come to it, and those that it sends.",
  variables: [
    {
      kind: "query",
      name: "namespace",
      label: "Namespace",
      metric: 'nodemesh_http_requests_total{reporter="destination"}',
      of: "dst_namespace",
      several: false,
    },
    {
      kind: "query",
      name: "workload",
      label: "Workload",
      metric: 'nodemesh_http_requests_total{reporter="destination",dst_namespace="$namespace"}',
      of: "dst_workload",
      several: false,
    },
  ],
  rows: [
    goldenSignals("What comes", "to this workload", COMES),
    {
      title: "Application or network?",
      panels: [
        {
          title: "Until its answers begin",
          description:
            "Mean time until an answer of the workload begins, as the agent of its node measures it inside the node: the application alone. If this is high, the application is slow; if it is low and clients are slow, look at the two panels beside it.",
          kind: "series",
          unit: "s",
          width: 8,
          empty: "it answered nothing",
          queries: [{ expr: untilHead(`${COMES},${NO_PROBES}`), legend: "application" }],
        },
        {
          title: "Round trips to its clients",
          description:
            "As the kernel of its node measures them. least: the way alone. What the other line has more is full queues, or acknowledgements that clients hold back for up to 40 ms.",
          kind: "series",
          unit: "s",
          width: 8,
          empty: "it sent nothing",
          queries: roundTrips(`${COMES},leg="client"`, "clients"),
        },
        losses(COMES, ["leg"], 8),
      ],
    },
    {
      title: "Its clients",
      panels: [
        {
          title: "Clients",
          description: "Who asks, with requests per second. Click a row for the pair.",
          kind: "table",
          unit: "reqps",
          width: 12,
          link: PAIR_IN,
          queries: [
            {
              expr: sumRate(
                "nodemesh_http_requests_total",
                `${COMES},${NO_PROBES}`,
                "src_namespace, src_workload",
              ),
              legend: "requests/s",
            },
          ],
        },
        {
          title: "Kubelet's probes",
          description:
            "HTTP probes per second by code: requests of the node for itself, in no other panel. Codes of 400 and above make kubelet restart the container or take the pod out of its Services.",
          kind: "series",
          unit: "reqps",
          width: 12,
          empty: "no HTTP probe, or it names another User-Agent",
          queries: [
            {
              expr: sumRate(
                "nodemesh_http_requests_total",
                `${COMES},src_namespace="",src_workload="kubelet"`,
                "code",
              ),
              legend: "{{code}}",
            },
          ],
        },
      ],
    },
    refusals(COMES),
    {
      title: "What it asks of others",
      panels: [
        {
          title: "Requests sent",
          description: "HTTP requests that the workload sends, by code of the answer.",
          kind: "series",
          unit: "reqps",
          width: 12,
          empty: "it sends none",
          queries: [
            { expr: sumRate("nodemesh_http_requests_total", GOES, "code"), legend: "{{code}}" },
          ],
        },
        {
          title: "Destinations",
          description:
            "Whom it asks, with requests per second. unknown: outside the mesh's knowledge, or nobody was reached. Click a row for the pair.",
          kind: "table",
          unit: "reqps",
          width: 12,
          empty: "it sends none",
          link: PAIR_OUT,
          queries: [
            {
              expr: sumRate(
                "nodemesh_http_requests_total",
                GOES,
                "dst_namespace, dst_workload, dst_service",
              ),
              legend: "requests/s",
            },
          ],
        },
        {
          title: "Until others answer",
          description:
            "Mean time until an answer begins, by who answers, as the agent of this workload's node measures it: application, network and mesh. Click a row of Destinations for the three apart.",
          kind: "series",
          unit: "s",
          width: 8,
          empty: "it sends no requests",
          queries: [{ expr: untilHead(GOES, "dst_workload"), legend: "{{dst_workload}}" }],
        },
        {
          title: "Round trips to others",
          description:
            "Least round trips by who is reached, as the kernel of this workload's node measures them: the way alone.",
          kind: "series",
          unit: "s",
          width: 8,
          empty: "it reaches nobody",
          queries: [
            {
              expr: leastRoundTrip(`${GOES},leg="server"`, "dst_workload"),
              legend: "{{dst_workload}}",
            },
          ],
        },
        waits(GOES, "dst_workload", 8),
      ],
    },
  ],
};
