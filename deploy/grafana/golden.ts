/** The golden signals of whatever a selector selects: the first row of most dashboards. */

import { durations, NO_PROBES, type RowSpec, SUCCESS, successRate, sumRate } from "./spec.ts";

/** Requests, success, durations, bytes. `of`: whose, in words. */
export function goldenSignals(title: string, of: string, given: string): RowSpec {
  const selector = `${given},${NO_PROBES}`;
  return {
    title,
    panels: [
      {
        title: "Requests",
        description: `HTTP requests ${of} per second, by status code. "none": the connection ended before an answer; look at Refusals for the mesh's own.`,
        kind: "series",
        unit: "reqps",
        width: 8,
        queries: [
          {
            expr: sumRate("nodemesh_http_requests_total", selector, "code"),
            legend: "{{code}}",
          },
        ],
      },
      {
        title: "Success",
        description: `Share of requests ${of} that were answered with a code below 500. If it falls, the panel Requests shows with which code; 503 and 504 of the mesh itself are in Refusals with their reason.`,
        kind: "stat",
        unit: "percentunit",
        width: 4,
        thresholds: SUCCESS,
        empty: "no requests",
        queries: [{ expr: successRate(selector), legend: "success" }],
      },
      {
        title: "Durations",
        description: `From the first byte of a request ${of} to the last of its answer, as the agent saw it. Compare "Counted by" source and destination: what only the source sees is network or mesh.`,
        kind: "series",
        unit: "s",
        width: 6,
        queries: durations(selector),
      },
      {
        title: "Bytes",
        description: `Bytes per second ${of}, HTTP or not, heads included. "sent" is what clients sent.`,
        kind: "series",
        unit: "Bps",
        width: 6,
        queries: [
          { expr: sumRate("nodemesh_tcp_sent_bytes_total", given), legend: "sent" },
          { expr: sumRate("nodemesh_tcp_received_bytes_total", given), legend: "received" },
        ],
      },
    ],
  };
}

/** What the mesh refused, repeated and passed by. */
export function refusals(given: string): RowSpec {
  return {
    title: "Refusals and retries",
    panels: [
      {
        title: "Refusals",
        description:
          "What the mesh itself refused or cut, by reason: docs/reference.md says for each what it means and what to do. Nothing here: every failure was the application's own.",
        kind: "series",
        unit: "ops",
        width: 12,
        empty: "nothing was refused",
        queries: [
          {
            expr: sumRate("nodemesh_refused_total", given, "reason, rule"),
            legend: "{{reason}} {{rule}}",
          },
        ],
      },
      {
        title: "Open connections",
        description:
          "Connections that are open now. A number that only rises means that somebody does not end what it begins.",
        kind: "series",
        unit: "short",
        width: 12,
        queries: [
          {
            expr: `sum(nodemesh_tcp_connections_opened_total{${given}}) - sum(nodemesh_tcp_connections_closed_total{${given}})`,
            legend: "open",
          },
        ],
      },
    ],
  };
}
