/**
 * Whether slowness is the application's, the network's or the mesh's: means of what agents and their kernels measure.
 * docs/metrics.md ("Where the time goes") says what each leg is.
 */

import { type Mean, mean, type PanelSpec, type Query, type RowSpec, sumRate } from "./spec.ts";

const HEAD: Mean = {
  sum: "nodemesh_http_response_head_seconds_total",
  count: "nodemesh_http_response_heads_total",
};
const SMOOTHED: Mean = {
  sum: "nodemesh_tcp_round_trip_seconds_total",
  count: "nodemesh_tcp_round_trips_total",
};
const LEAST: Mean = { ...SMOOTHED, sum: "nodemesh_tcp_least_round_trip_seconds_total" };
const WAIT: Mean = {
  sum: "nodemesh_endpoint_wait_seconds_total",
  count: "nodemesh_endpoints_reached_total",
};
const CONNECT: Mean = { ...WAIT, sum: "nodemesh_endpoint_connect_seconds_total" };

/** Mean seconds from when a request was sent to an endpoint until its answer began, by labels. */
export function untilHead(selector: string, by = ""): string {
  return mean(HEAD, selector, by);
}

/** Mean round trip of a leg in seconds, of the way alone, by labels. */
export function leastRoundTrip(selector: string, by = ""): string {
  return mean(LEAST, selector, by);
}

/** Round trips of a leg, with and without what queues and peers add. */
export function roundTrips(selector: string, of: string): readonly Query[] {
  return [
    { expr: mean(SMOOTHED, selector), legend: of },
    { expr: mean(LEAST, selector), legend: `${of}, least` },
  ];
}

/** What connections to endpoints are waited for, by a label. */
export function waits(selector: string, by: string, width: number): PanelSpec {
  return {
    title: "Waiting for an endpoint",
    description:
      "Mean time until a connection to an endpoint stood: choice, tries at others, and connecting. Requests on kept connections wait for none. If the wait is longer than its connect, endpoints fail: Tries at another endpoint of the Service shows them.",
    kind: "series",
    unit: "s",
    width,
    empty: "no connection was made",
    queries: [
      { expr: mean(WAIT, selector, by), legend: `{{${by}}}` },
      { expr: mean(CONNECT, selector, by), legend: `{{${by}}}, connecting` },
    ],
  };
}

/** The share of segments that were lost, sent again and not for nothing, by labels. */
export function losses(selector: string, by: readonly string[], width: number): PanelSpec {
  const labels = by.join(", ");
  const [again, forNothing, sent] = ["retransmitted", "duplicate", "sent"].map((which) =>
    sumRate(`nodemesh_tcp_${which}_segments_total`, selector, labels),
  );
  return {
    title: "Lost on the way",
    description:
      "Share of segments that the agent's kernel sent again because they were lost; by whose agent, and on its connection to client or server. From 0.01 on some requests stall for 200 ms and more: look for full queues, a bad link, a limit of the network.",
    kind: "series",
    unit: "percentunit",
    width,
    empty: "nothing was sent",
    queries: [
      {
        expr: `clamp_min(${again} - ${forNothing}, 0) / (${sent} > 0)`,
        legend: by.map((label) => `{{${label}}}`).join(" "),
      },
    ],
  };
}

/** Of one pair, given by the labels of both ends: whose the time is. */
export function whoseTime(ends: string): RowSpec {
  const [source, destination] = [`reporter="source",${ends}`, `reporter="destination",${ends}`];
  const application = untilHead(destination);
  const network = leastRoundTrip(`${source},leg="server"`);
  const beyond = `clamp_min(${untilHead(source)} - (${application}) - (${network}), 0)`;
  // Waited for a few connections, by all requests.
  const waited = `(${sumRate(WAIT.sum, source)} or vector(0)) / (${sumRate(HEAD.count, source)} > 0)`;
  return {
    title: "Application, network or mesh?",
    panels: [
      {
        title: "Until the answer begins",
        description:
          "Mean time until an answer begins, in three parts. application: the server's own. network: one round trip between the nodes. mesh: what the client's agent waits beyond both, in both agents and for connections; what losses cost is in it, see Lost on the way.",
        kind: "series",
        unit: "s",
        width: 12,
        empty: "one of the two is not enrolled",
        queries: [
          { expr: application, legend: "application" },
          { expr: network, legend: "network" },
          { expr: `${beyond} + ${waited}`, legend: "mesh" },
        ],
      },
      {
        title: "Round trips between the nodes",
        description:
          "As the kernels of both nodes measure them; the server's node sees the client's agent, or the client itself if it is not enrolled. least: the way alone. What the other lines have more is full queues, or acknowledgements held back for up to 40 ms.",
        kind: "series",
        unit: "s",
        width: 12,
        empty: "nobody was reached, or one of the two is not enrolled",
        queries: [
          ...roundTrips(`${source},leg="server"`, "client's node"),
          ...roundTrips(`${destination},leg="client"`, "server's node"),
        ],
      },
      losses(ends, ["reporter", "leg"], 12),
      waits(ends, "reporter", 12),
    ],
  };
}
