/** The series of one pair of workloads as one side counts it. Each is made when first counted. */

import type { Refusal } from "#model/refusal.ts";
import type { CounterHandle, HistogramHandle } from "../telemetry/series.ts";
import type { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import type { EdgeLabels } from "./labels.ts";
import type { Protocol, RequestOutcome } from "./record.ts";

/** One pair. */
export class Edge {
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

  /** A request has ended. */
  request(outcome: RequestOutcome): void {
    const { status, durationMs, requestBytes, responseBytes, refusal, protocol } = outcome;
    if (refusal !== undefined) this.refused(refusal);
    this.#code(status, protocol).add(1);
    this.#duration ??= this.#metrics.histogram("httpDuration", this.#http(protocol));
    this.#duration.observe(durationMs / 1000);
    this.#requestBytes ??= this.#metrics.histogram("httpRequestBytes", this.#labels);
    this.#requestBytes.observe(requestBytes);
    this.#responseBytes ??= this.#metrics.histogram("httpResponseBytes", this.#labels);
    this.#responseBytes.observe(responseBytes);
    this.carried(outcome.sentBytes, outcome.receivedBytes);
  }

  /** A connection or request was refused. */
  refused({ reason, rule = "" }: Refusal): void {
    this.#metrics.counter("refused", { ...this.#labels, reason, rule }).add(1);
  }

  /** A connection was accepted. */
  opened(): void {
    this.#counters.opened.add(1);
  }

  /** A connection has ended. */
  closed(): void {
    this.#counters.closed.add(1);
  }

  /** A connection has carried these bytes since it was asked last. */
  carried(sent: number, received: number): void {
    const counters = this.#counters;
    if (sent > 0) counters.sent.add(sent);
    if (received > 0) counters.received.add(received);
  }

  get #counters(): TcpCounters {
    this.#tcp ??= {
      opened: this.#metrics.counter("tcpOpened", this.#labels),
      closed: this.#metrics.counter("tcpClosed", this.#labels),
      sent: this.#metrics.counter("tcpSentBytes", this.#labels),
      received: this.#metrics.counter("tcpReceivedBytes", this.#labels),
    };
    return this.#tcp;
  }

  #code(status: number, protocol: Protocol): CounterHandle {
    let counter = this.#codes.get(status);
    if (counter === undefined) {
      const code = status === 0 ? "none" : String(status);
      counter = this.#metrics.counter("httpRequests", { ...this.#http(protocol), code });
      this.#codes.set(status, counter);
    }
    return counter;
  }

  #http(protocol: Protocol): EdgeLabels & { readonly protocol: Protocol; readonly route: string } {
    return { ...this.#labels, protocol, route: "" };
  }
}

interface TcpCounters {
  readonly opened: CounterHandle;
  readonly closed: CounterHandle;
  readonly sent: CounterHandle;
  readonly received: CounterHandle;
}
