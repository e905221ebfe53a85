/** The Recorder of production: counts in shared memory. Series are looked up once per connection and edge. */

import type { Refusal } from "#model/refusal.ts";
import { serviceKey } from "#model/service.ts";
import type { Workload } from "#model/workload.ts";
import type { AccessLogger } from "../telemetry/access-log.ts";
import type { CounterHandle, HistogramHandle } from "../telemetry/series.ts";
import type { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import { partiesOf, requestEntry } from "./access-entry.ts";
import type { LiveEndpoint } from "./balance/live-endpoint.ts";
import type { Party, Plan } from "./plan.ts";
import type { ConnectionRecord, Recorder, RequestOutcome } from "./record.ts";

/** Beyond this many remembered edges all are forgotten: they are found again when used. */
const MAX_EDGES = 20_000;

/** Label value of a party that no pod is. */
const UNKNOWN = "unknown";

/** What the recorder needs. */
export interface CountInputs {
  readonly metrics: WorkerMetrics;
  readonly workload: (uid: string) => Workload | undefined;
  readonly accessLog: AccessLogger;
  /** The wall clock, milliseconds since 1970. */
  readonly wallClock: () => number;
}

/** Counts connections and requests of one worker. */
export class Counting implements Recorder {
  readonly #inputs: CountInputs;
  readonly #edges: Map<string, Edge> = new Map();
  /** The edges that a plan's requests took, by endpoint: no key is built per request. */
  readonly #ofPlan: WeakMap<Plan, Map<LiveEndpoint | undefined, Edge>> = new WeakMap();

  constructor(inputs: CountInputs) {
    this.#inputs = inputs;
  }

  connection(
    plan: Plan,
    endpoint: LiveEndpoint | undefined,
    protocol: "bytes" | "http",
  ): ConnectionRecord {
    const { accessLog, wallClock, workload } = this.#inputs;
    const edge = this.#edge(plan, endpoint);
    // HTTP connections are logged request by request.
    if (protocol === "http" || !accessLog.sampled()) return new CountedConnection(edge, undefined);
    const startedAt = wallClock();
    return new CountedConnection(edge, ({ sent, received, refusal }) => {
      const at = wallClock();
      accessLog.log({
        kind: "connection",
        at,
        ...partiesOf(plan, endpoint, workload),
        protocol: "tcp",
        reason: refusal?.reason,
        rule: refusal?.rule,
        detail: refusal?.detail,
        durationMs: at - startedAt,
        sentBytes: sent,
        receivedBytes: received,
      });
    });
  }

  refused(direction: "outbound" | "inbound" | "unknown", refusal: Refusal): void {
    this.#inputs.metrics
      .counter("refused", {
        reporter: direction === "inbound" ? "destination" : "source",
        src_namespace: UNKNOWN,
        src_workload: UNKNOWN,
        dst_namespace: UNKNOWN,
        dst_workload: UNKNOWN,
        dst_service: UNKNOWN,
        reason: refusal.reason,
        rule: refusal.rule ?? "",
      })
      .add(1);
  }

  request(outcome: RequestOutcome): void {
    const edge = this.#edge(outcome.plan, outcome.endpoint);
    edge.request(outcome);
    if (outcome.line === undefined) return;
    const { accessLog, wallClock, workload } = this.#inputs;
    accessLog.log(requestEntry(outcome, wallClock(), workload));
  }

  sampled(): boolean {
    return this.#inputs.accessLog.sampled();
  }

  #edge(plan: Plan, endpoint: LiveEndpoint | undefined): Edge {
    let edges = this.#ofPlan.get(plan);
    if (edges === undefined) {
      edges = new Map();
      this.#ofPlan.set(plan, edges);
    }
    let edge = edges.get(endpoint);
    if (edge === undefined) {
      edge = this.#shared(this.#labels(plan, endpoint));
      edges.set(endpoint, edge);
    }
    return edge;
  }

  #shared(labels: EdgeLabels): Edge {
    const key = Object.values(labels).join("|");
    let edge = this.#edges.get(key);
    if (edge === undefined) {
      if (this.#edges.size >= MAX_EDGES) this.#edges.clear();
      edge = new Edge(this.#inputs.metrics, labels);
      this.#edges.set(key, edge);
    }
    return edge;
  }

  #labels(plan: Plan, endpoint: LiveEndpoint | undefined): EdgeLabels {
    const { nextHop, source } = plan;
    const target =
      nextHop.kind === "fixed" ? nextHop.workload : this.#inputs.workload(endpoint?.workload ?? "");
    const service = nextHop.kind === "balanced" ? nextHop.entry.service : undefined;
    return {
      reporter: plan.direction === "outbound" ? "source" : "destination",
      ...namesOf(source),
      dst_namespace: target?.namespace ?? service?.namespace ?? UNKNOWN,
      dst_workload: target?.owner ?? UNKNOWN,
      dst_service: service === undefined ? "" : serviceKey(service),
    };
  }
}

interface EdgeLabels {
  readonly reporter: string;
  readonly src_namespace: string;
  readonly src_workload: string;
  readonly dst_namespace: string;
  readonly dst_workload: string;
  readonly dst_service: string;
}

interface PathLabels extends EdgeLabels {
  readonly path: string;
  readonly security: string;
}

function namesOf(party: Party): Pick<EdgeLabels, "src_namespace" | "src_workload"> {
  if ("kind" in party) return { src_namespace: UNKNOWN, src_workload: UNKNOWN };
  return { src_namespace: party.namespace, src_workload: party.owner };
}

/** The series of one pair of workloads. Each is made when first counted. */
class Edge {
  readonly #metrics: WorkerMetrics;
  readonly #labels: EdgeLabels;
  readonly #codes: Map<number, CounterHandle> = new Map();
  #duration: HistogramHandle | undefined;
  #requestBytes: HistogramHandle | undefined;
  #responseBytes: HistogramHandle | undefined;
  #tcp: TcpCounters | undefined;

  constructor(metrics: WorkerMetrics, labels: EdgeLabels) {
    this.#metrics = metrics;
    this.#labels = labels;
  }

  request({ status, durationMs, requestBytes, responseBytes, refusal }: RequestOutcome): void {
    if (refusal !== undefined) this.refused(refusal);
    this.#code(status).add(1);
    this.#duration ??= this.#metrics.histogram("httpDuration", this.#http());
    this.#duration.observe(durationMs / 1000);
    this.#requestBytes ??= this.#metrics.histogram("httpRequestBytes", this.#path());
    this.#requestBytes.observe(requestBytes);
    this.#responseBytes ??= this.#metrics.histogram("httpResponseBytes", this.#path());
    this.#responseBytes.observe(responseBytes);
  }

  refused({ reason, rule = "" }: Refusal): void {
    this.#metrics.counter("refused", { ...this.#labels, reason, rule }).add(1);
  }

  get tcp(): TcpCounters {
    this.#tcp ??= {
      opened: this.#metrics.counter("tcpOpened", this.#path()),
      closed: this.#metrics.counter("tcpClosed", this.#path()),
      sent: this.#metrics.counter("tcpSentBytes", this.#path()),
      received: this.#metrics.counter("tcpReceivedBytes", this.#path()),
    };
    return this.#tcp;
  }

  #code(status: number): CounterHandle {
    let counter = this.#codes.get(status);
    if (counter === undefined) {
      const code = status === 0 ? "none" : String(status);
      counter = this.#metrics.counter("httpRequests", { ...this.#http(), code });
      this.#codes.set(status, counter);
    }
    return counter;
  }

  #path(): PathLabels {
    return { ...this.#labels, path: "proxy", security: "none" };
  }

  #http(): PathLabels & { readonly protocol: string; readonly route: string } {
    return { ...this.#path(), protocol: "http/1.1", route: "" };
  }
}

interface TcpCounters {
  readonly opened: CounterHandle;
  readonly closed: CounterHandle;
  readonly sent: CounterHandle;
  readonly received: CounterHandle;
}

interface Carried {
  readonly sent: number;
  readonly received: number;
  readonly refusal: Refusal | undefined;
}

class CountedConnection implements ConnectionRecord {
  readonly #edge: Edge;
  readonly #log: ((carried: Carried) => void) | undefined;
  #sent = 0;
  #received = 0;

  constructor(edge: Edge, log: ((carried: Carried) => void) | undefined) {
    this.#edge = edge;
    this.#log = log;
    edge.tcp.opened.add(1);
  }

  sent(bytes: number): void {
    if (bytes <= 0) return;
    this.#sent += bytes;
    this.#edge.tcp.sent.add(bytes);
  }

  received(bytes: number): void {
    if (bytes <= 0) return;
    this.#received += bytes;
    this.#edge.tcp.received.add(bytes);
  }

  closed(refusal: Refusal | undefined): void {
    this.#edge.tcp.closed.add(1);
    if (refusal !== undefined) this.#edge.refused(refusal);
    this.#log?.({ sent: this.#sent, received: this.#received, refusal });
  }
}
