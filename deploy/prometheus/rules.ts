/**
 * deploy/prometheus: recording rules and alerts from one source. rules.ts is what they are; main.ts writes nodemesh.rules.yaml
 * (for `rule_files`) and prometheusrule.yaml (for the Prometheus operator) as part of `npm run gen`; rules.test.ts has
 * promtool check them and lets each alert fire and not fire.
 */

/** A series that Prometheus computes by itself: `level:metric:operations`, as Prometheus names them. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** Something that a person shall look at. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** How long it must hold, as Prometheus writes times. */
  readonly for: string;
  /** `critical`: users notice now. `warning`: they will, or a figure is not to be trusted. */
  readonly severity: "critical" | "warning";
  /** One line: what is so. May hold templates of Prometheus. */
  readonly summary: string;
  /** What it means and what to do. */
  readonly description: string;
}

const SERVED = 'reporter="destination",src_namespace!=""';
const REQUESTS = `nodemesh_http_requests_total{${SERVED}}`;
const FAILED = `nodemesh_http_requests_total{${SERVED},code=~"5..|none"}`;
const BUCKETS = `nodemesh_http_request_duration_seconds_bucket{${SERVED}}`;

/** For those who ask the same of many Services over long times. */
export const RECORDING_RULES: readonly RecordingRule[] = [
  {
    record: "dst_service:nodemesh_http_requests:rate5m",
    expr: `sum by (dst_service) (rate(${REQUESTS}[5m]))`,
  },
  {
    record: "dst_service:nodemesh_http_failures:ratio_rate5m",
    // A Service without a failed request has a share of 0, not none.
    expr: `(sum by (dst_service) (rate(${FAILED}[5m])) or 0 * sum by (dst_service) (rate(${REQUESTS}[5m]))) / (sum by (dst_service) (rate(${REQUESTS}[5m])) > 0)`,
  },
  {
    record: "dst_service:nodemesh_http_request_duration_seconds:p99_rate5m",
    expr: `histogram_quantile(0.99, sum by (dst_service, le) (rate(${BUCKETS}[5m])))`,
  },
];

/** The alerts. */
export const ALERTS: readonly Alert[] = [
  {
    alert: "NodemeshControlLeaderless",
    expr: "absent(nodemesh_control_leader == 1)",
    for: "2m",
    severity: "critical",
    summary: "No replica of nodemesh's control leads.",
    description:
      "Nodes go on with what they know, but new pods, changed endpoints and annotations are not followed. Look at control's pods and their log; nodemesh check names what is missing. Without any control scraped this fires too.",
  },
  {
    alert: "NodemeshAgentDisconnected",
    expr: 'max(nodemesh_control_agents{state="disconnected"}) > 0',
    for: "5m",
    severity: "warning",
    summary: "{{ $value }} agents of nodemesh are not connected to control.",
    description:
      "Their nodes go on with what they knew. nodemesh check lists them; look at the agent's pod on that node, and whether it reaches control.",
  },
  {
    alert: "NodemeshAgentBehind",
    expr: 'max(nodemesh_control_agents{state="behind"}) > 0',
    for: "5m",
    severity: "warning",
    summary: "{{ $value }} agents of nodemesh have not taken the newest snapshot.",
    description: "An agent that refuses one says which field in its log and in nodemesh check.",
  },
  {
    alert: "NodemeshSnapshotOld",
    expr: "nodemesh_snapshot_age_seconds > 300",
    for: "1m",
    severity: "warning",
    summary: "The agent {{ $labels.instance }} has not heard of control for {{ $value }} s.",
    description:
      "What is enrolled goes on as it was; endpoints that come and go since then are not known there. Bring control back, or mend the way from that node to it.",
  },
  {
    alert: "NodemeshPassedBy",
    expr: 'increase(nodemesh_kernel_events_total{event=~"outbound-dead-direct|inbound-dead-direct"}[5m]) > 0',
    for: "0m",
    severity: "warning",
    summary: "Connections passed without the mesh on {{ $labels.instance }}.",
    description:
      "The agent was away, and the pods have mesh/fail=open: their connections went directly, without balancing and policies. Look why the agent was away: kubectl describe of its pod.",
  },
  {
    alert: "NodemeshFallsBack",
    expr: "increase(nodemesh_cluster_ip_fallbacks_total[5m]) > 0",
    for: "0m",
    severity: "warning",
    summary: "Connections to {{ $labels.dst_service }} went to its ClusterIP, past the mesh.",
    description:
      "Control is away for so long that no endpoint that the node knows answers. Bring control back.",
  },
  {
    alert: "NodemeshServiceFails",
    expr: "dst_service:nodemesh_http_failures:ratio_rate5m > 0.05 and dst_service:nodemesh_http_requests:rate5m > 0.1",
    for: "5m",
    severity: "critical",
    summary: "{{ $value | humanizePercentage }} of the requests to {{ $labels.dst_service }} fail.",
    description:
      "5xx, or no answer at all. The dashboard Service shows with which code and for whom; what the mesh itself refused is in its row Refusals, with the reason.",
  },
  {
    alert: "NodemeshRefuses",
    expr: 'sum by (dst_service, reason) (rate(nodemesh_refused_total{reporter="source"}[5m])) > 1',
    for: "5m",
    severity: "warning",
    summary: "The mesh refuses requests to {{ $labels.dst_service }}: {{ $labels.reason }}.",
    description:
      "More than one a second for five minutes. docs/reference.md says for each reason what it means and what to do.",
  },
  {
    alert: "NodemeshMetricsOverflow",
    expr: "increase(nodemesh_series_overflowed_total[15m]) > 0",
    for: "0m",
    severity: "warning",
    summary: "The agent {{ $labels.instance }} has no room for more series.",
    description:
      "New pairs of workloads are counted under the label value overflow only; traffic is not affected. See which label has that many values.",
  },
  {
    alert: "NodemeshAccessLogDrops",
    expr: "rate(nodemesh_access_log_dropped_total[5m]) > 0",
    for: "5m",
    severity: "warning",
    summary: "The agent {{ $labels.instance }} loses lines of the access log.",
    description:
      "They come faster than they can be written: log a smaller share (agent.accessLog).",
  },
  {
    alert: "NodemeshCompileFails",
    expr: "increase(nodemesh_control_compile_failures_total[10m]) > 0",
    for: "0m",
    severity: "critical",
    summary: "Control of nodemesh cannot compile the cluster's state.",
    description:
      "A bug of nodemesh: what was published before stays in force and nothing newer comes. Please report it with control's log.",
  },
  {
    alert: "NodemeshStrangersAtControl",
    expr: "sum by (reason) (increase(nodemesh_control_agents_refused_total[10m])) > 10",
    for: "0m",
    severity: "warning",
    summary: "Somebody who is no agent asks control for its snapshot: {{ $labels.reason }}.",
    description:
      "More than ten refusals in ten minutes. Control's log says from where; an agent of an installation that was removed, or somebody who tries.",
  },
];
