/**
 * agent/telemetry counts what the mesh does and shows it: slots in shared memory written by the workers,
 * folded by main into Prometheus text when scraped; the access log; the little HTTP server for both.
 * May import agent/model only. Must never block a worker, lose a count when a worker dies, or let a peer
 * decide how many series exist.
 *
 * This file is the one table of metric names; docs/metrics.md is generated from it.
 */

/** One metric. Counters end in `_total`, units are base units (seconds, bytes). */
export interface MetricSpec {
  readonly name: string;
  readonly kind: "counter" | "gauge" | "histogram";
  /** Who counts: `worker` through shared memory, `agent` by asking main when scraped. */
  readonly source: "worker" | "agent";
  readonly help: string;
  /** In the order of output. Values come from closed or cluster-bounded sets, never from the network. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram, ascending, without +Inf; at most MAX_BUCKETS. */
  readonly buckets?: readonly number[];
}

/** Most bounds a histogram may have: all histograms share one slot size. */
export const MAX_BUCKETS = 17;

/** Label value of everything that had no room for a series of its own. */
export const OVERFLOW = "overflow";

/** Bounds of histograms. */
const BUCKETS = {
  /** A hop on the same node takes about 0.5 ms; most time-outs are at most 60 s. */
  seconds: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
  /** Body sizes, a decade each. */
  bytes: [0, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9],
} as const;

/** Sets of labels. Literal throughout: the label types of every metric are derived from them. */
const LABELS = {
  none: [],
  http: [
    "reporter",
    "src_namespace",
    "src_workload",
    "dst_namespace",
    "dst_workload",
    "dst_service",
    "path",
    "security",
    "protocol",
    "route",
  ],
  httpCode: [
    "reporter",
    "src_namespace",
    "src_workload",
    "dst_namespace",
    "dst_workload",
    "dst_service",
    "path",
    "security",
    "protocol",
    "route",
    "code",
  ],
  tcp: [
    "reporter",
    "src_namespace",
    "src_workload",
    "dst_namespace",
    "dst_workload",
    "dst_service",
    "path",
    "security",
  ],
  leg: [
    "reporter",
    "src_namespace",
    "src_workload",
    "dst_namespace",
    "dst_workload",
    "dst_service",
    "path",
    "security",
    "leg",
  ],
  refused: [
    "reporter",
    "src_namespace",
    "src_workload",
    "dst_namespace",
    "dst_workload",
    "dst_service",
    "reason",
    "rule",
  ],
  retry: ["dst_service", "result"],
  service: ["dst_service"],
  endpoint: ["dst_service", "port", "state"],
  certificate: ["namespace", "service_account"],
  event: ["event"],
  build: ["version", "revision", "node_version", "kernel"],
} as const;

/** Every metric of the agent, except those of its process (`process_*`, `nodejs_*`). */
const METRICS = {
  buildInfo: {
    name: "nodemesh_build_info",
    kind: "gauge",
    source: "agent",
    help: "Always 1: the labels say what runs, of which commit, by which Node.js, on which kernel.",
    labels: "build",
  },
  httpRequests: {
    name: "nodemesh_http_requests_total",
    kind: "counter",
    source: "worker",
    help: "HTTP requests that got an answer, from the endpoint or from the mesh.",
    labels: "httpCode",
  },
  httpDuration: {
    name: "nodemesh_http_request_duration_seconds",
    kind: "histogram",
    source: "worker",
    help: "From the first byte of a request to the last of its answer, in seconds.",
    labels: "http",
    buckets: "seconds",
  },
  httpRequestBytes: {
    name: "nodemesh_http_request_bytes",
    kind: "histogram",
    source: "worker",
    help: "Size of request bodies in bytes, as framed on the wire.",
    labels: "tcp",
    buckets: "bytes",
  },
  httpResponseBytes: {
    name: "nodemesh_http_response_bytes",
    kind: "histogram",
    source: "worker",
    help: "Size of response bodies in bytes, as framed on the wire.",
    labels: "tcp",
    buckets: "bytes",
  },
  tcpOpened: {
    name: "nodemesh_tcp_connections_opened_total",
    kind: "counter",
    source: "worker",
    help: "Connections, HTTP or not: for the source those that clients opened, for the destination those that servers got.",
    labels: "tcp",
  },
  tcpClosed: {
    name: "nodemesh_tcp_connections_closed_total",
    kind: "counter",
    source: "worker",
    help: "Connections that ended; opened minus closed are open now.",
    labels: "tcp",
  },
  tcpSentBytes: {
    name: "nodemesh_tcp_sent_bytes_total",
    kind: "counter",
    source: "worker",
    help: "Bytes carried from the client to the server. HTTP counts at the end of each request, and every few seconds of a long one.",
    labels: "tcp",
  },
  tcpReceivedBytes: {
    name: "nodemesh_tcp_received_bytes_total",
    kind: "counter",
    source: "worker",
    help: "Bytes carried from the server to the client, in the same way.",
    labels: "tcp",
  },
  httpHeads: {
    name: "nodemesh_http_response_heads_total",
    kind: "counter",
    source: "worker",
    help: "Answers of endpoints whose head arrived; the next one divided by it is a mean.",
    labels: "http",
  },
  httpHeadSeconds: {
    name: "nodemesh_http_response_head_seconds_total",
    kind: "counter",
    source: "worker",
    help: "Sum of the times from when a request's head was sent to an endpoint to the head of its answer, in seconds; the wait for a connection is not in it.",
    labels: "http",
  },
  reached: {
    name: "nodemesh_endpoints_reached_total",
    kind: "counter",
    source: "worker",
    help: "Connections to endpoints that were sought and made; the next two divided by it are means.",
    labels: "tcp",
  },
  waitSeconds: {
    name: "nodemesh_endpoint_wait_seconds_total",
    kind: "counter",
    source: "worker",
    help: "Sum of the times that requests and connections waited for such a connection, in seconds: choice, tries at other endpoints, and connecting.",
    labels: "tcp",
  },
  connectSeconds: {
    name: "nodemesh_endpoint_connect_seconds_total",
    kind: "counter",
    source: "worker",
    help: "Sum of the times in which those connections were made, in seconds: what the wait has more went to others.",
    labels: "tcp",
  },
  roundTrips: {
    name: "nodemesh_tcp_round_trips_total",
    kind: "counter",
    source: "worker",
    help: "Times that a connection's round-trip time was noted: at its end, and every few seconds of a long one that sends; the next two divided by it are means.",
    labels: "leg",
  },
  roundTripSeconds: {
    name: "nodemesh_tcp_round_trip_seconds_total",
    kind: "counter",
    source: "worker",
    help: "Sum of the kernel's smoothed round-trip times, in seconds: the way, its queues, and the up to 40 ms for which a peer may hold an acknowledgement back.",
    labels: "leg",
  },
  leastRoundTripSeconds: {
    name: "nodemesh_tcp_least_round_trip_seconds_total",
    kind: "counter",
    source: "worker",
    help: "Sum of the least round-trip times of the connection's last five minutes, in seconds: the way alone.",
    labels: "leg",
  },
  sentSegments: {
    name: "nodemesh_tcp_sent_segments_total",
    kind: "counter",
    source: "worker",
    help: "Segments with data that the agent's kernel sent, each time that one was sent.",
    labels: "leg",
  },
  retransmittedSegments: {
    name: "nodemesh_tcp_retransmitted_segments_total",
    kind: "counter",
    source: "worker",
    help: "Segments that it sent again, those of the handshake included.",
    labels: "leg",
  },
  duplicateSegments: {
    name: "nodemesh_tcp_duplicate_segments_total",
    kind: "counter",
    source: "worker",
    help: "Segments of which the peer said that it had them already: sent again without need. What was retransmitted beyond them was lost.",
    labels: "leg",
  },
  ackedBytes: {
    name: "nodemesh_tcp_acknowledged_bytes_total",
    kind: "counter",
    source: "worker",
    help: "Bytes that the agent sent and the peer's kernel has acknowledged.",
    labels: "leg",
  },
  refused: {
    name: "nodemesh_refused_total",
    kind: "counter",
    source: "worker",
    help: "Connections and requests that the mesh refused or cut, by reason (docs/reference.md has all) and, of HTTP that is refused, by rule (docs/http.md).",
    labels: "refused",
  },
  retries: {
    name: "nodemesh_retries_total",
    kind: "counter",
    source: "worker",
    help: "Requests and connections that were tried at another endpoint (result: sent), or not for want of budget (result: no-budget).",
    labels: "retry",
  },
  fallbacks: {
    name: "nodemesh_cluster_ip_fallbacks_total",
    kind: "counter",
    source: "worker",
    help: "Connections that went to the Service's ClusterIP because control was away and no known endpoint answered.",
    labels: "service",
  },
  endpointState: {
    name: "nodemesh_endpoint_state",
    kind: "gauge",
    source: "worker",
    help: "Endpoints of a service port by state (ready, draining, unready, ejected), averaged over the workers that use it.",
    labels: "endpoint",
  },
  seriesOverflowed: {
    name: "nodemesh_series_overflowed_total",
    kind: "counter",
    source: "worker",
    help: "Times a series had no room left and was counted under the label value `overflow` instead.",
    labels: "none",
  },
  snapshotVersion: {
    name: "nodemesh_snapshot_version",
    kind: "gauge",
    source: "agent",
    help: "Version of the snapshot in force; 0 when there is none yet.",
    labels: "none",
  },
  snapshotAge: {
    name: "nodemesh_snapshot_age_seconds",
    kind: "gauge",
    source: "agent",
    help: "Seconds since control was last heard to confirm the snapshot in force.",
    labels: "none",
  },
  certificateExpiry: {
    name: "nodemesh_certificate_expiry_timestamp_seconds",
    kind: "gauge",
    source: "agent",
    help: "When a certificate ends, in seconds since 1970.",
    labels: "certificate",
  },
  kernelEvents: {
    name: "nodemesh_kernel_events_total",
    kind: "counter",
    source: "agent",
    help: "What the eBPF programs decided, by event. Survives restarts of the agent.",
    labels: "event",
  },
  enrolledPods: {
    name: "nodemesh_enrolled_pods",
    kind: "gauge",
    source: "agent",
    help: "Pods of this node whose traffic is redirected now.",
    labels: "none",
  },
  failedPods: {
    name: "nodemesh_failed_pods",
    kind: "gauge",
    source: "agent",
    help: "Pods of this node that could not be set up and are tried again; strict and closed ones are refused meanwhile.",
    labels: "none",
  },
  workers: {
    name: "nodemesh_workers",
    kind: "gauge",
    source: "agent",
    help: "Data workers running now.",
    labels: "none",
  },
  workerRestarts: {
    name: "nodemesh_worker_restarts_total",
    kind: "counter",
    source: "agent",
    help: "Data workers that died and were started again.",
    labels: "none",
  },
  accessLogDropped: {
    name: "nodemesh_access_log_dropped_total",
    kind: "counter",
    source: "agent",
    help: "Access-log lines lost because they came faster than they could be written.",
    labels: "none",
  },
  spansSent: {
    name: "nodemesh_trace_spans_sent_total",
    kind: "counter",
    source: "agent",
    help: "Spans of traces that the collector took.",
    labels: "none",
  },
  spansDropped: {
    name: "nodemesh_trace_spans_dropped_total",
    kind: "counter",
    source: "agent",
    help: "Spans of traces lost because they came faster than they could be sent, or the collector did not take them.",
    labels: "none",
  },
} as const;

/** Key of a metric in METRICS. */
export type MetricKey = keyof typeof METRICS;

/** Metrics of one kind and source. */
export type MetricsOf<Kind extends MetricSpec["kind"], Source extends MetricSpec["source"]> = {
  [K in MetricKey]: (typeof METRICS)[K] extends { kind: Kind; source: Source } ? K : never;
}[MetricKey];

/** The labels of a metric, each with its value. */
export type LabelsOf<K extends MetricKey> = Readonly<
  Record<(typeof LABELS)[(typeof METRICS)[K]["labels"]][number], string>
>;

/** Every key, in the order of the table. Workers and main run the same code, so the position may stand for the key. */
export const METRIC_KEYS: readonly MetricKey[] = Object.keys(METRICS) as MetricKey[];

const SPECS: ReadonlyMap<MetricKey, MetricSpec> = new Map(
  METRIC_KEYS.map((key) => [key, widen(key)]),
);

/** The specification of a metric. */
export function specOf(key: MetricKey): MetricSpec {
  return SPECS.get(key) ?? widen(key);
}

function widen(key: MetricKey): MetricSpec {
  const row = METRICS[key];
  const { name, kind, source, help } = row;
  const common = { name, kind, source, help, labels: LABELS[row.labels] };
  return "buckets" in row ? { ...common, buckets: BUCKETS[row.buckets] } : common;
}
