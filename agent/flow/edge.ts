/** The series of one pair of workloads as one side counts it. Each is made when first counted. */

import type { Refusal } from "#model/refusal.ts";
import type { TcpFigures } from "../engine/system.ts";
import type { CounterHandle, HistogramHandle } from "../telemetry/series.ts";
import type { WorkerMetrics } from "../telemetry/worker-metrics.ts";
import type { EdgeLabels } from "./labels.ts";
import type { Protocol, RequestOutcome, Took } from "./record.ts";

/** Which of the agent's two connections: to who asked, or to the endpoint. */
export type LegName = "client" | "server";

/**
 * Most codes of one pair that have series of their own. Servers choose their codes: a usual one knows a dozen, and one that
 * answers by hundreds must not take the series of its clients.
 */
const MOST_CODES = 32;

/** Label value of other codes, and of all that HTTP does not know. */
const OTHER_CODE = "other";

/** One pair. */
export class Edge {
  readonly #metrics: WorkerMetrics;
  readonly #labels: EdgeLabels;
  /** By status; several may count as one. */
  readonly #codes: Map<number, CounterHandle> = new Map();
  readonly #shownCodes: Set<string> = new Set();
  #duration: HistogramHandle | undefined;
  #requestBytes: HistogramHandle | undefined;
  #responseBytes: HistogramHandle | undefined;
  #heads: MeanCounters | undefined;
  #tcp: TcpCounters | undefined;
  #reached: ReachCounters | undefined;
  readonly #legs: Map<LegName, LegCounters> = new Map();

  constructor(metrics: WorkerMetrics, labels: EdgeLabels) {
    this.#metrics = metrics;
    this.#labels = labels;
  }

  /** A request has ended. */
  request(outcome: RequestOutcome): void {
    const { status, durationMs, headMs, requestBytes, responseBytes, refusal, protocol } = outcome;
    if (refusal !== undefined) this.refused(refusal);
    this.#code(status, protocol).add(1);
    this.#duration ??= this.#metrics.histogram("httpDuration", this.#http(protocol));
    this.#duration.observe(durationMs / 1000);
    this.#requestBytes ??= this.#metrics.histogram("httpRequestBytes", this.#labels);
    this.#requestBytes.observe(requestBytes);
    this.#responseBytes ??= this.#metrics.histogram("httpResponseBytes", this.#labels);
    this.#responseBytes.observe(responseBytes);
    if (headMs !== undefined) this.#answered(headMs, protocol);
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

  /** A connection to an endpoint was made. */
  reached({ waitMs, connectMs }: Took): void {
    this.#reached ??= {
      count: this.#metrics.counter("reached", this.#labels),
      wait: this.#metrics.counter("waitSeconds", this.#labels),
      connect: this.#metrics.counter("connectSeconds", this.#labels),
    };
    this.#reached.count.add(1);
    this.#reached.wait.add(waitMs / 1000);
    this.#reached.connect.add(connectMs / 1000);
  }

  /** What is new of one of the two legs. */
  noted(leg: LegName, news: TcpFigures): void {
    const counters = this.#leg(leg);
    if (news.roundTripUs > 0) {
      counters.roundTrips.add(1);
      counters.roundTripSeconds.add(news.roundTripUs / 1e6);
      counters.leastRoundTripSeconds.add(news.leastRoundTripUs / 1e6);
    }
    counters.sentSegments.add(news.sentSegments);
    counters.ackedBytes.add(news.ackedBytes);
    // Rare: most ways lose nothing.
    const { retransmittedSegments, duplicateSegments } = news;
    if (retransmittedSegments > 0) counters.retransmittedSegments.add(retransmittedSegments);
    if (duplicateSegments > 0) counters.duplicateSegments.add(duplicateSegments);
  }

  #answered(headMs: number, protocol: Protocol): void {
    this.#heads ??= {
      count: this.#metrics.counter("httpHeads", this.#http(protocol)),
      seconds: this.#metrics.counter("httpHeadSeconds", this.#http(protocol)),
    };
    this.#heads.count.add(1);
    this.#heads.seconds.add(headMs / 1000);
  }

  #leg(leg: LegName): LegCounters {
    let counters = this.#legs.get(leg);
    if (counters === undefined) {
      counters = legCounters(this.#metrics, { ...this.#labels, leg });
      this.#legs.set(leg, counters);
    }
    return counters;
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
      counter = this.#metrics.counter("httpRequests", {
        ...this.#http(protocol),
        code: this.#shownCode(status),
      });
      this.#codes.set(status, counter);
    }
    return counter;
  }

  #shownCode(status: number): string {
    const code = codeOf(status);
    if (this.#shownCodes.size >= MOST_CODES && !this.#shownCodes.has(code)) return OTHER_CODE;
    this.#shownCodes.add(code);
    return code;
  }

  #http(protocol: Protocol): EdgeLabels & { readonly protocol: Protocol; readonly route: string } {
    return { ...this.#labels, protocol, route: "" };
  }
}

function codeOf(status: number): string {
  if (status === 0) return "none";
  return status >= 100 && status <= 599 ? String(status) : OTHER_CODE;
}

interface TcpCounters {
  readonly opened: CounterHandle;
  readonly closed: CounterHandle;
  readonly sent: CounterHandle;
  readonly received: CounterHandle;
}

interface MeanCounters {
  readonly count: CounterHandle;
  readonly seconds: CounterHandle;
}

interface ReachCounters {
  readonly count: CounterHandle;
  readonly wait: CounterHandle;
  readonly connect: CounterHandle;
}

type LegCounters = ReturnType<typeof legCounters>;

/** All of a leg's, so that a share of 0 is shown as that. */
function legCounters(metrics: WorkerMetrics, labels: EdgeLabels & { readonly leg: LegName }) {
  return {
    roundTrips: metrics.counter("roundTrips", labels),
    roundTripSeconds: metrics.counter("roundTripSeconds", labels),
    leastRoundTripSeconds: metrics.counter("leastRoundTripSeconds", labels),
    sentSegments: metrics.counter("sentSegments", labels),
    retransmittedSegments: metrics.counter("retransmittedSegments", labels),
    duplicateSegments: metrics.counter("duplicateSegments", labels),
    ackedBytes: metrics.counter("ackedBytes", labels),
  };
}
